"""Writes safetensors files, one tensor in memory at a time. Format: https://github.com/huggingface/safetensors"""
import json
import math
import os

import numpy as np
from torch_file import to_bf16

BYTES = {"F32": 4, "BF16": 2, "F16": 2}


def write_safetensors(path, tensors, bf16=False):
    """`tensors`: name -> torch_file.Tensor. With `bf16` matrices are rounded to it; vectors and A_log stay."""
    def dtype_of(name, tensor):
        is_matrix = len(tensor.shape) == 2 and not name.endswith("A_log")
        return "BF16" if bf16 and is_matrix else tensor.dtype

    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        size = math.prod(tensor.shape) * BYTES[dtype_of(name, tensor)]
        header[name] = dict(dtype=dtype_of(name, tensor), shape=list(tensor.shape), data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    try:
        with open(part, "wb") as file:
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            for name, tensor in tensors.items():
                values = to_bf16(tensor.floats()) if dtype_of(name, tensor) != tensor.dtype else tensor.read()
                file.write(np.ascontiguousarray(values).tobytes())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
