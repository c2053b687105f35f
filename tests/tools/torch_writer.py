"""Writes a file as torch.save does, without torch: its pickle names torch's functions and storages, which stand here as
empty stand-ins of the same names. made_by_torch.pth beside this was written by torch 2.11 itself, with made_by_torch.json:
{name: [type, first four and last four numbers, sum]}."""
import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np

NAMES = {"F32": ("FloatStorage", 4), "BF16": ("BFloat16Storage", 2), "I64": ("LongStorage", 8)}


def _module(name, **members):
    module = sys.modules.setdefault(name, types.ModuleType(name))
    for key, value in members.items():
        setattr(module, key, value)


def _stand_in(module, name):
    made = type(name, (), {})
    made.__module__, made.__qualname__ = module, name
    return made


STORAGES = {dtype: _stand_in("torch", name) for dtype, (name, _) in NAMES.items()}


def _rebuild_tensor_v2(*_):
    raise AssertionError("never called here")


_rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"


class Saved:
    """A tensor to be written: numbers of a storage, of which it is a view."""

    def __init__(self, values, dtype="F32", offset=0, shape=None, stride=None):
        self.values, self.dtype, self.offset = values, dtype, offset
        self.shape = tuple(values.shape if shape is None else shape)
        self.stride = stride or tuple(int(np.prod(self.shape[i + 1:])) for i in range(len(self.shape)))


class _Storage:
    def __init__(self, dtype, key, count):
        self.saved = ("storage", STORAGES[dtype], key, "cpu", count)


class _Pickler(pickle.Pickler):
    def __init__(self, file, storages):
        super().__init__(file, protocol=2)
        self.storages = storages

    def persistent_id(self, obj):
        return obj.saved if isinstance(obj, _Storage) else None

    def reducer_override(self, obj):
        if not isinstance(obj, Saved):
            return NotImplemented
        key = next((k for k, v in self.storages.items() if v is obj.values), str(len(self.storages)))
        self.storages[key] = obj.values
        return _rebuild_tensor_v2, (_Storage(obj.dtype, key, obj.values.size), obj.offset, obj.shape, obj.stride,
                                    False, collections.OrderedDict())


def save(path, value):
    _module("torch", **{storage.__name__: storage for storage in STORAGES.values()})
    _module("torch._utils", _rebuild_tensor_v2=_rebuild_tensor_v2)
    storages, out = {}, io.BytesIO()
    try:
        _Pickler(out, storages).dump(value)
    finally:
        for name in ("torch", "torch._utils"):
            sys.modules.pop(name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", np.ascontiguousarray(values).tobytes())
        archive.writestr("archive/version", "3\n")
