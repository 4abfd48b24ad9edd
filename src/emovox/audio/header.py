"""What a file's header promises, so that a copy that broke off is noticed."""

import os
from typing import BinaryIO

STATES_DURATION = frozenset({"flac", "wav", "aiff", "au", "mov", "matroska", "asf"})
"""Containers whose header states it; for others (raw AAC, AMR, Ogg…) FFmpeg infers it from the bytes there."""


def states_duration(container: str, file: BinaryIO) -> bool:
    """Whether FFmpeg's duration for this file is its header's and not an estimate from its size.

    Args:
        container: FFmpeg's name of the format, perhaps several with commas.
        file: the file, whose position is kept.
    """
    if container == "mp3":
        return _counts_frames(file)
    return not STATES_DURATION.isdisjoint(container.split(","))


def _counts_frames(file: BinaryIO) -> bool:
    """Whether an MP3's first frame is a Xing or Info one, which counts the frames; ID3v2 tags are skipped."""
    tag = _peek(file, 0, 10)
    start = 0
    if tag[:3] == b"ID3" and len(tag) == 10:
        start = 10 + sum((byte & 0x7F) << (7 * (3 - i)) for i, byte in enumerate(tag[6:10]))
    first = _peek(file, start, 64)
    return b"Xing" in first or b"Info" in first


def breaks_off(file: BinaryIO) -> bool:
    """Whether a RIFF/WAVE file is shorter than its header says; FFmpeg itself believes the file's size."""
    head = _peek(file, 0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return False
    promised = int.from_bytes(head[4:8], "little") + 8
    where = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(where)
    # Programs that write to a pipe can't know the size and put the largest number they have.
    return size < promised < 0x7FFFF000


def _peek(file: BinaryIO, start: int, size: int) -> bytes:
    where = file.tell()
    file.seek(start)
    data = file.read(size)
    file.seek(where)
    return data
