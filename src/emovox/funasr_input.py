"""What FunASR's `generate` takes for recordings: files, lists of them, arrays, bytes; and the keys of results."""

import json
import os
import re
import secrets
import string
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.recording import Source
from emovox.audio.structure import chunks
from emovox.audio.structure.frames import FOLLOWING, are_frames
from emovox.audio.waveform import OVERDRIVEN
from emovox.errors import LabelsError, RecordingNotFoundError, UnreadableAudioError

LISTS = (".scp", ".txt", ".text", ".json", ".jsonl")
"""How the names of files end that list recordings."""
_PCM = 32_768  # full scale of 16 bits
_SIGNATURES = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", chunks.W64_RIFF, b"FORM", b".snd", b"caff"),  # WAV, AIFF, AU, CAF
    *(
        b"ID3",
        b"OggS",
        b"fLaC",
        b"#!AMR",
        b"Creative Voice File",
        b"wvpk",
        b"TTA1",
        b"MAC ",
        b"MPCK",
        b"MP+",
        b"DSD ",
    ),
    *(b"\x1a\x45\xdf\xa3", chunks.ASF_HEADER, b"FLV", b".RMF", b"\0\0\1\xba"),  # Matroska, WMA, RealMedia, VOB
)
_PACKETS = ((0, 188), (4, 192))  # where those of an MPEG transport stream begin, and how long they are
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Item:
    """A recording, the key of its result, and what errors call it."""

    key: str
    name: str
    source: Source


def read_items(value: Any, *, rate: float, key: str | None = None) -> Iterator[Item]:
    """The recordings that an input means, each looked at as far as that is cheap.

    Args:
        value: as of `AutoModel.generate`.
        rate: of samples that come without one, Hz.
        key: of what has no name; by default a random one for each.

    Raises:
        RecordingNotFoundError: a file isn't there.
        UnreadableAudioError: an address, or nothing that could be a recording.
        LabelsError: a list can't be read.
    """
    if isinstance(value, (list, tuple)):
        for one in value:
            yield _item(one, rate, key)
    elif isinstance(value, (str, os.PathLike)) and _is_list(Path(value)):
        for own, path in _listed(Path(value)):
            yield replace(_item(path, rate, None), key=own or _random_key())
    else:
        item = _item(value, rate, key)
        yield item if key is None else replace(item, key=key)


def _is_list(path: Path) -> bool:
    return path.suffix.lower() in LISTS and path.is_file()


def _item(value: Any, rate: float, key: str | None) -> Item:
    if isinstance(value, (str, os.PathLike)):
        path = os.fspath(value)
        if _ADDRESS.match(path):
            raise UnreadableAudioError("nothing is fetched: download it, and give its path", path)
        if not os.path.lexists(path):
            raise RecordingNotFoundError("no such file", path)
        return Item(Path(path).stem, path, path)
    key = key or _random_key()
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return Item(key, key, data if _is_file(data) else (_samples(data, key), rate))
    if hasattr(value, "read"):
        with suppress(OSError):  # a pipe has no beginning to go to
            if hasattr(value, "seek"):
                value.seek(0)  # as FunASR does, so that it can be given again
        return Item(key, key, value)
    if hasattr(value, "__array__"):
        return Item(key, key, (_scaled(np.asarray(value)), rate))
    raise UnreadableAudioError(
        f"can't read a recording from {type(value).__name__}: give a path, an array, bytes, a binary file object, "
        "or a list of them"
    )


def _random_key() -> str:
    return "rand_key_" + "".join(secrets.choice(_LETTERS) for _ in range(13))


def _listed(path: Path) -> Iterator[tuple[str | None, str]]:
    """Key, if it says one, and path of each recording of a list; empty lines are passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        if path.suffix.lower() in (".json", ".jsonl"):
            yield _of_json(text, f"{path}: line {number}")
            continue
        key, _, name = text.partition(" ") if "\t" not in text else text.partition("\t")
        alone = not name or (not os.path.lexists(name.strip()) and os.path.lexists(text))  # a path with blanks
        yield (None, text) if alone else (key, name.strip())


def _of_json(text: str, place: str) -> tuple[str | None, str]:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LabelsError(f"{place} is not valid JSON: {error}") from error
    if not isinstance(row, dict) or not isinstance(row.get("source"), str):
        raise LabelsError(f'{place} must have the path as "source", in one object on each line')
    return None if row.get("key") is None else str(row["key"]), row["source"]


def _is_file(data: bytes) -> bool:
    """Whether bytes are those of a sound file; others are samples of 16 bits, as FunASR takes them."""
    packets = (data[first : first + size * FOLLOWING : size] for first, size in _PACKETS)
    return (
        data.startswith(_SIGNATURES)
        or data[4:8] in chunks.BOXES
        or any(heads == b"\x47" * FOLLOWING for heads in packets)
        or are_frames(data)
    )


def _samples(data: bytes, key: str) -> NDArray[np.int16]:
    """int16 (n,) of bytes without a header, little-endian."""
    if len(data) % 2:
        raise UnreadableAudioError("neither a sound file nor samples of 16 bits: an odd number of bytes", key)
    return np.frombuffer(data, "<i2")


def _scaled(samples: NDArray[Any]) -> NDArray[Any]:
    """Floats in the range of 16 bits within ±1: the model normalises, so FunASR needs no scale."""
    loudest = np.abs(samples).max() if samples.dtype.kind == "f" and samples.size else 0
    return samples / _PCM if OVERDRIVEN < loudest <= _PCM else samples
