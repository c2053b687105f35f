"""Reads what torch.save writes, without torch and without running anything: a zip file with a pickle that may name
tensors, their storages and plain containers, and nothing else. Anything else in the pickle is an error that names it.

    with TorchFile(path) as file:
        tensor = file.value["model"]["x"]       # Tensor: dtype, shape, read() -> numpy array

Tensors are read when asked for, one at a time: files may be larger than memory.
"""
import collections
import math
import pickle
import zipfile

import numpy as np

# torch's storages, and the names that safetensors has for their types.
STORAGES = {"FloatStorage": "F32", "BFloat16Storage": "BF16", "HalfStorage": "F16", "DoubleStorage": "F64",
            "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
            "BoolStorage": "BOOL"}
NUMPY = {"F32": np.float32, "BF16": np.uint16, "F16": np.float16, "F64": np.float64, "I64": np.int64, "I32": np.int32,
         "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.uint8}


class Refused(Exception):
    """What the file holds cannot be taken; the message says what and why."""


class Tensor:
    """`read` gives numbers as numpy has them; of BF16 the bits, as uint16."""

    def __init__(self, dtype, shape, read):
        self.dtype, self.shape, self.read = dtype, tuple(shape), read

    def floats(self):
        values = self.read()
        if self.dtype == "BF16":
            return (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float32)


def to_bf16(values):
    """fp32 to the bits of bf16, to nearest even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


class _Anything:
    """Stands for objects of a training run that nobody needs (optimizers' settings, paths): takes any arguments."""

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _):
        pass


class _Unpickler(pickle.Unpickler):
    def __init__(self, file, storage):
        super().__init__(file)
        self.storage = storage

    def persistent_load(self, saved):
        if not (isinstance(saved, tuple) and len(saved) >= 5 and saved[0] == "storage"):
            raise Refused(f"the file refers to {saved!r}, expected a storage")
        return self.storage(saved[1], saved[2])

    def find_class(self, module, name):
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *_: _view(storage, offset, shape, stride)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch", "Size"):
            return tuple
        if (module, name) in (("pathlib", "PosixPath"), ("pathlib", "PurePosixPath"), ("argparse", "Namespace")):
            return _Anything
        raise Refused(f"the file's pickle wants {module}.{name}: only tensors and plain containers are read. Save "
                      "checkpoint[\"model\"] alone with torch.save, on a machine where you trust the file")


def _view(storage, offset, shape, stride):
    dtype, load = storage
    count = math.prod(shape)
    contiguous, expected = True, 1
    for size, step in reversed(list(zip(shape, stride))):
        contiguous = contiguous and (size == 1 or step == expected)
        expected *= size

    def read():
        data = load()
        if contiguous:
            return data[offset:offset + count].reshape(shape)
        steps = [step * data.itemsize for step in stride]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(data[offset:], shape, steps))
    return Tensor(dtype, shape, read)


class TorchFile:
    def __init__(self, path):
        if not zipfile.is_zipfile(path):
            raise Refused(f"{path} is no zip file: torch has written those since 1.6. Load it with an older torch and "
                          "save it again")
        self.zip = zipfile.ZipFile(path)
        pickles = [name for name in self.zip.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused(f"{path} holds {len(pickles)} files data.pkl, expected one")
        self.root = pickles[0][:-len("data.pkl")]
        if f"{self.root}byteorder" in self.zip.namelist():
            if self.zip.read(f"{self.root}byteorder") != b"little":
                raise Refused(f"{path} is big-endian")
        with self.zip.open(pickles[0]) as file:
            self.value = _Unpickler(file, self._storage).load()

    def _storage(self, dtype, key):
        return dtype, lambda: np.frombuffer(self.zip.read(f"{self.root}data/{key}"), NUMPY[dtype])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.zip.close()
