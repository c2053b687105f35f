"""What conversions do to tensors, put off until they are written."""
import numpy as np
from torch_file import Refused, Tensor, to_bf16


def _like(tensor, values):
    return to_bf16(values) if tensor.dtype == "BF16" else values.astype(tensor.read().dtype)


def scaled(tensor, factor):
    """tensor · factor, in its own type."""
    if factor == 1:
        return tensor
    return Tensor(tensor.dtype, tensor.shape, lambda: _like(tensor, tensor.floats() * np.float32(factor)))


def rows(tensor, pick):
    """The rows of a matrix, or elements of a vector, that `pick` (a list of indices) names, in its order."""
    return Tensor(tensor.dtype, (len(pick), *tensor.shape[1:]), lambda: tensor.read()[pick])


def stacked(tensors):
    """Tensors of one type and width, one below the other."""
    if len({t.dtype for t in tensors}) != 1:
        raise Refused(f"tensors to be stacked have the types {', '.join(t.dtype for t in tensors)}")
    shape = (sum(t.shape[0] for t in tensors), *tensors[0].shape[1:])
    return Tensor(tensors[0].dtype, shape, lambda: np.concatenate([t.read() for t in tensors]))


def zeros(like, shape):
    return Tensor(like.dtype, shape, lambda: np.zeros(shape, like.read().dtype))


class Source:
    """A state dict whose tensors are taken one by one; what is left at the end was not understood."""

    def __init__(self, tensors):
        self.tensors, self.left = tensors, set(tensors)

    def __contains__(self, name):
        return name in self.tensors

    def take(self, name, *shape):
        """The tensor; of `shape`, where that is given (None: any size)."""
        if name not in self.tensors:
            raise Refused(f"tensor {name} is missing")
        tensor = self.tensors[name]
        self.left.discard(name)
        if tensor.dtype not in ("F32", "BF16", "F16"):
            raise Refused(f"tensor {name} has type {tensor.dtype}, expected F32, BF16 or F16")
        wrong = shape and (len(shape) != len(tensor.shape) or
                           any(want not in (None, got) for want, got in zip(shape, tensor.shape)))
        if wrong:
            want = ", ".join("any" if size is None else str(size) for size in shape)
            raise Refused(f"tensor {name} has shape {list(tensor.shape)}, expected [{want}]")
        return tensor

    def layers(self, prefix):
        found = {name[len(prefix):].split(".")[0]: name for name in self.tensors if name.startswith(prefix)}
        if not found:
            raise Refused(f"no tensor's name begins with {prefix}: the file holds no layers")
        for number, name in found.items():
            if not (number.isascii() and number.isdecimal()):
                raise Refused(f"tensor {name}: expected a layer's number after {prefix}")
        numbers = sorted(map(int, found))
        if numbers != list(range(len(numbers))):
            raise Refused(f"layers {numbers} do not count from 0 without a gap")
        return len(numbers)

    def check_empty(self):
        if self.left:
            some = sorted(self.left)
            more = f" and {len(some) - 5} more" if len(some) > 5 else ""
            raise Refused(f"tensors that the served layout has no place for: {', '.join(some[:5])}{more}")


def only(what, found):
    """What is the same in all layers."""
    if len(set(found)) != 1:
        raise Refused(f"layers differ in their {what}: {sorted(set(found))}")
    return found[0]


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a.read(), b.read())


MAMBA = ("in_proj.weight", "conv1d.weight", "conv1d.bias", "x_proj.weight", "dt_proj.weight", "dt_proj.bias", "A_log",
         "D", "out_proj.weight")


def mamba_sizes(source, prefix, d_model):
    """(d_inner, d_state, conv width, dt_rank) of the Mamba mixer under `prefix`, from shapes that fit each other."""
    inner, states = source.take(prefix + "A_log", None, None).shape
    rank = source.take(prefix + "dt_proj.weight", inner, None).shape[1]
    width = source.take(prefix + "conv1d.weight", inner, 1, None).shape[2]
    source.take(prefix + "in_proj.weight", 2 * inner, d_model)
    source.take(prefix + "x_proj.weight", rank + 2 * states, inner)
    source.take(prefix + "out_proj.weight", d_model, inner)
    for vector in ("conv1d.bias", "dt_proj.bias", "D"):
        source.take(prefix + vector, inner)
    return inner, states, width, rank
