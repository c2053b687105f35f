"""Reads what torch.save writes, without torch and without running anything: a zip file with a pickle that may name
tensors, their storages and plain containers, and nothing else. Anything else in the pickle is an error that names it.

    with TorchFile(path) as file:
        tensor = file.value["model"]["x"]       # Tensor: dtype, shape, read() -> numpy array

Tensors are read when asked for, one at a time: files may be larger than memory.
"""
import collections
import io
import math
import pickle
import zipfile
import zlib

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
        return self.storage(*saved[1:3], saved[4])

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
    """A tensor in a storage, which it must not leave: numpy would read whatever lies there."""
    dtype, room, load = storage
    shape, stride = tuple(shape), tuple(stride)
    if len(shape) != len(stride) or any(type(n) is not int or n < 0 for n in (offset, *shape, *stride)):
        raise Refused(f"a tensor of shape {list(shape)} has strides {list(stride)} and offset {offset}: none can be")
    count = math.prod(shape)
    if count and offset + sum((size - 1) * step for size, step in zip(shape, stride)) >= room:
        raise Refused(f"a tensor of shape {list(shape)}, strides {list(stride)} and offset {offset} reaches beyond the "
                      f"{room} numbers that are stored")
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


def _open(path):
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with open(path, "rb") as file:
            if file.read(4) == b"PK\x03\x04":
                raise Refused("the file is cut short or damaged: what a zip file holds is listed at its end, and that "
                              "cannot be read") from error
        raise Refused("the file is no zip file, which torch has written since 1.6: load it with torch and save it "
                      "again") from error


class TorchFile:
    """Raises Refused or OSError, and so does `read` of its tensors, which must come before the end."""

    def __init__(self, path):
        self.zip = _open(path)
        try:
            self._load()
        except BaseException:
            self.zip.close()
            raise

    def _load(self):
        pickles = [name for name in self.zip.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused(f"the file holds {len(pickles)} files data.pkl, expected one")
        self.root = pickles[0][:-len("data.pkl")]
        if f"{self.root}byteorder" in self.zip.namelist():
            if self._read(f"{self.root}byteorder") != b"little":
                raise Refused("the file is big-endian")
        try:
            self.value = _Unpickler(io.BytesIO(self._read(pickles[0])), self._storage).load()
        except Refused:
            raise
        except Exception as error:  # bytes that are no pickle raise anything
            raise Refused(f"record {pickles[0]} cannot be read: {type(error).__name__}: {error}") from error

    def _read(self, name):
        try:
            return self.zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Refused(f"record {name} cannot be read: {error}") from error

    def _storage(self, dtype, key, count):
        """(type, how many numbers, what reads them)"""
        name, kind = f"{self.root}data/{key}", np.dtype(NUMPY[dtype])
        size = count * kind.itemsize

        def check(found):
            if found != size:
                raise Refused(f"record {name} has {found} bytes, expected {size}")

        def load():
            data = self._read(name)
            check(len(data))
            return np.frombuffer(data, kind)
        try:
            check(self.zip.getinfo(name).file_size)
        except KeyError as error:
            raise Refused(f"record {name} is missing, a tensor's numbers") from error
        return dtype, count, load

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.zip.close()
