"""Other formats whose headers say how many bytes of sound follow: AIFF, AU, CAF, Wave64, AVI, MP4, ASF."""

from collections.abc import Callable

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
BOXES = frozenset(
    {b"ftyp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"styp", b"sidx", b"pnot", b"uuid"}
)

Chunk = tuple[bytes, int, int | None]
"""Its kind, where it ends by its size, and where the next one begins; None: open, up to the end of the file."""


def aiff(data: Bytes, start: int, end: int) -> Structure:
    """FORM, AIFF or AIFC: the sound is in the chunk SSND."""

    def chunk(place: int) -> Chunk:
        size = data.number(place + 4, 4, "big")
        return data.at(place, 4), place + 8 + size, place + 8 + size + size % 2

    return _of(chunk, start + 12, start, end, {b"SSND"})


def au(data: Bytes, start: int, end: int) -> Structure:
    """.snd: one size for all."""
    size = data.number(start + 8, 4, "big")
    if size in {0, 0xFFFFFFFF}:
        return Structure([(start, end)], truncated=False)
    stop = start + data.number(start + 4, 4, "big") + size
    return Structure([(start, min(stop, end))], stop > end)


def caf(data: Bytes, start: int, end: int) -> Structure:
    """Apple's Core Audio: the sound is in the chunk data."""

    def chunk(place: int) -> Chunk:
        size = data.number(place + 4, 8, "big")
        after = place + 12 + size
        return data.at(place, 4), after, after if size < 1 << 63 else None

    return _of(chunk, start + 8, start, end, {b"data"})


def wave64(data: Bytes, start: int, end: int) -> Structure:
    """Sony's Wave64: chunks with long names, whose sizes count themselves."""

    def chunk(place: int) -> Chunk:
        size = data.number(place + 16, 8)
        after = place + max(24, size)
        return data.at(place, 16), after, after + -after % 8 if size < 1 << 62 else None

    return _of(chunk, start + 40, start, end, {W64_DATA})


def avi(data: Bytes, start: int, end: int) -> Structure:
    """RIFF, AVI and more RIFF chunks behind it where it is long: the sound is in the list movi."""

    def chunk(place: int) -> Chunk:
        kind, size = data.at(place, 4), data.number(place + 4, 4)
        if kind == b"RIFF":
            return kind, place + 12, place + 12
        if kind == b"LIST":
            kind = data.at(place + 8, 4)
        after = place + 8 + size
        return kind, after, after + size % 2 if size else None

    return _of(chunk, start, start, end, {b"movi"})


def mp4(data: Bytes, start: int, end: int) -> Structure:
    """MP4, MOV, 3GP…: boxes. The sound is in mdat, and in fragments moof says where."""

    def chunk(place: int) -> Chunk:
        size, kind = data.number(place, 4, "big"), data.at(place + 4, 4)
        size = data.number(place + 8, 8, "big") if size == 1 else size
        after = place + max(8, size)
        return kind, after, after if size else None

    return _of(chunk, start, start, end, {b"mdat", b"moof", b"moov"})


def asf(data: Bytes, start: int, end: int) -> Structure:
    """WMA, WMV: objects."""

    def chunk(place: int) -> Chunk:
        size = data.number(place + 16, 8)
        after = place + max(24, size)
        return data.at(place, 16), after, after if 24 < size < 1 << 62 else None

    return _of(chunk, start, start, end, {ASF_DATA})


def _of(chunk: Callable[[int], Chunk], place: int, start: int, end: int, sound: set[bytes]) -> Structure:
    """Go from chunk to chunk: is one that holds sound longer than the file?"""
    truncated = False
    while place < end:
        kind, after, following = chunk(place)
        if following is None:
            break
        truncated = truncated or (kind in sound and after > end)
        place = following
    return Structure([(start, end)], truncated)
