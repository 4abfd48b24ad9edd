"""Reading a model.safetensors: named tensors, mapped into memory where they lie.

Eight bytes say how long the header is, the header is JSON with each tensor's element type, shape and place, and
the elements follow, little end first. That is little enough to read here, and what comes from outside is checked
as in the other checkpoints; the safetensors package would be one more to install on every machine.

Source: https://github.com/huggingface/safetensors, README.md, "Format".
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.errors import ModelError

_LENGTH = 8  # bytes
_MAX_HEADER = 4_000_000  # bytes; 500 tensors take 0.1 MB
_MAX_DIMENSIONS = 8
_MAX_NUMBER = 2**63
_METADATA = "__metadata__"

# The format's name of an element type, and the type of its bytes; tensors of others are passed over.
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I8": "i1"}


@dataclass(frozen=True)
class SafeTensor:
    """A tensor of the file, still on disk.

    Attributes:
        shape: as in torch.
        dtype: the format's name of the element type, such as ``BF16``.
    """

    shape: tuple[int, ...]
    dtype: str
    _bytes: npt.NDArray[np.uint8]

    def array(self) -> npt.NDArray[Any]:
        """Return the elements, shape `shape`: a read-only view of the file.

        bfloat16 comes back as float32, which holds each of its values.
        """
        if not self._bytes.size:
            return np.zeros(self.shape, np.float32)
        values = np.frombuffer(self._bytes, _TYPES[self.dtype]).reshape(self.shape)
        if self.dtype == "BF16":
            return np.asarray(values.astype(np.uint32) << 16).view(np.float32)
        return values


def read_safetensors(path: Path) -> dict[str, SafeTensor]:
    """Return the tensors of a file by name. Reads the header alone: elements come with `SafeTensor.array`.

    Raises:
        ModelError: no such file, not of this form, damaged, or holding no tensors.
    """
    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except ValueError as error:  # NumPy maps no empty file
        raise ModelError(f"{path.name} is empty") from error
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from error
    tensors = {}
    header, start = _header(content, path.name)
    for name, facts in header.items():
        if name == _METADATA:
            continue
        match facts:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(end)]} if (
                len(shape) <= _MAX_DIMENSIONS
                and all(type(size) is int and 0 <= size < _MAX_NUMBER for size in shape)
                and 0 <= first <= end <= len(content) - start
            ):
                if dtype not in _TYPES:
                    continue
                if math.prod(shape) * np.dtype(_TYPES[dtype]).itemsize != end - first:
                    raise ModelError(f"{path.name} is damaged: {name!r:.100} hasn't the bytes of its shape")
                tensors[name] = SafeTensor(tuple(shape), dtype, content[start + first : start + end])
            case _:
                raise ModelError(f"{path.name} is damaged or cut short at its tensor {name!r:.100}")
    if not tensors:
        raise ModelError(f"{path.name} holds no tensors")
    return tensors


def _header(content: npt.NDArray[np.uint8], name: str) -> tuple[dict[str, Any], int]:
    """The header, and where the elements begin."""
    head = content[:_LENGTH].tobytes()
    length = struct.unpack("<Q", head)[0] if len(head) == _LENGTH else _MAX_HEADER + 1
    if length > min(_MAX_HEADER, len(content) - _LENGTH):
        raise ModelError(f"{name} is not of the form safetensors, or is cut short")
    start = _LENGTH + int(length)
    try:
        header = json.loads(content[_LENGTH:start].tobytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is not of the form safetensors: its header can't be read") from error
    if not isinstance(header, dict):
        raise ModelError(f"{name} is not of the form safetensors: its header names no tensors")
    return header, start
