"""Writes torch checkpoints without torch: well-formed ones, odd ones and hostile ones."""

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


@dataclass(frozen=True)
class Name:
    """A global."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A global called when the pickle is loaded."""

    what: Name
    arguments: Any


@dataclass(frozen=True)
class Raw:
    """Opcodes as they are."""

    opcodes: bytes


@dataclass(frozen=True)
class Persistent:
    """An object that lies outside of the pickle."""

    identity: Any


@dataclass(frozen=True)
class BFloat16:
    """Values that are saved in the upper halves of their float32."""

    values: npt.NDArray[np.float32]


class Checkpoint:
    """An archive in the making: its pickle and its storages."""

    def __init__(self, *, big_endian: bool = False) -> None:
        self.storages: dict[str, bytes] = {}
        self._order: Literal["<", ">"] = ">" if big_endian else "<"

    def storage(self, values: npt.NDArray[Any], dtype: str, elements: int | None = None) -> Persistent:
        """Store ``values`` in the order of their memory."""
        key = str(len(self.storages))
        self.storages[key] = values.astype(values.dtype.newbyteorder(self._order)).tobytes()
        kind = Name("torch", STORAGES[dtype])
        return Persistent(("storage", kind, key, "cpu", values.size if elements is None else elements))

    def tensor(self, values: npt.NDArray[Any] | BFloat16) -> Call:
        """A tensor as torch saves it, one storage for each."""
        if isinstance(values, BFloat16):
            bits = np.ascontiguousarray(values.values).view(np.uint32) >> 16
            return view(self.storage(bits.astype(np.uint16), "bfloat16"), 0, bits.shape)
        return view(self.storage(np.ascontiguousarray(values), values.dtype.name), 0, values.shape)

    def write(self, path: Path, root: Any, *, compression: int = zipfile.ZIP_STORED) -> Path:
        """Write the archive; ``root`` is what the pickle gives, tensors by name as a rule."""
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02" + opcodes(root) + b".")
            archive.writestr("archive/byteorder", b"big" if self._order == ">" else b"little")
            for key, content in self.storages.items():
                archive.writestr(f"archive/data/{key}", content)
            archive.writestr("archive/version", b"3\n")
        return path


def view(storage: Any, offset: Any, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Call:
    """A tensor on a storage, contiguous unless ``strides`` say otherwise."""
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    hooks = Call(Name("collections", "OrderedDict"), ())
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), (storage, offset, tuple(shape), strides, False, hooks))


def save(path: Path, state: Mapping[str, npt.NDArray[Any]], **options: Any) -> Path:
    """Write a plain state."""
    checkpoint = Checkpoint()
    return checkpoint.write(path, {name: checkpoint.tensor(value) for name, value in state.items()}, **options)


def opcodes(value: Any) -> bytes:  # noqa: PLR0911 - one return for each kind of value
    """The opcodes of pickle protocol 2 that make ``value``."""
    match value:
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            size = value.bit_length() // 8 + 1
            return b"\x8b" + struct.pack("<i", size) + value.to_bytes(size, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(opcodes, value)) + b"e"
        case dict():
            items = b"".join(opcodes(key) + opcodes(item) for key, item in value.items())
            return b"}(" + items + b"u"
        case Name(module, name):
            return f"c{module}\n{name}\n".encode()
        case Call(what, arguments):
            return opcodes(what) + opcodes(arguments) + b"R"
        case Persistent(identity):
            return opcodes(identity) + b"Q"
        case Raw(raw):
            return raw
    raise TypeError(type(value))
