"""RIFF/WAVE, RIFX, RF64 and BW64: the commonest recordings, with the most mistakes in their headers.

FFmpeg reads samples of odd widths, more than one data chunk, and big-endian RIFX wrongly. Where the samples are
plain it is given a header of our own, and the samples.
"""

import struct
from dataclasses import dataclass

import numpy as np

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes, Part

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
OPEN = 0x7FFFF000  # sizes from here on mean that a program wrote to a pipe and didn't know the size
LOW = (
    2**20
)  # of 24 bits in the lower part of 32 it is the usual level of a voice; of 32 bits it is next to silence
BLOCK = 2**22  # bytes of samples, at a time
_SUN = {
    (PCM, 2): 3,
    (PCM, 3): 4,
    (PCM, 4): 5,
    (FLOAT, 4): 6,
    (FLOAT, 8): 7,
}  # encodings of .au, which is big-endian


@dataclass(frozen=True)
class _Samples:
    """What a format chunk says: the kind of samples, the bytes that one takes, and the bits said to be in use."""

    tag: int
    channels: int
    rate: int
    width: int
    bits: int
    order: str

    @property
    def known(self) -> bool:
        """Whether these are plain samples that FFmpeg reads."""
        widths = {PCM: (1, 2, 3, 4, 8), FLOAT: (4, 8), A_LAW: (1,), MU_LAW: (1,)}
        turned = self.order == "big" and self.width > 1
        return (
            self.width in widths.get(self.tag, ())
            and 0 < self.channels < 1024
            and (not turned or (self.tag, self.width) in _SUN)
        )

    def header(self, size: int) -> bytes:
        """The header of a file with so many bytes of samples."""
        if self.order == "big" and self.width > 1:
            return struct.pack(
                ">4s5I", b".snd", 24, min(size, 0xFFFFFFFF), _SUN[self.tag, self.width], self.rate, self.channels
            )
        block = self.channels * self.width
        byte_rate = min(self.rate * block, 0xFFFFFFFF)
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", min(size + 36, 0xFFFFFFFF), b"WAVE"),
            *(b"fmt ", 16, self.tag, self.channels, self.rate, byte_rate, block & 0xFFFF, 8 * self.width),
            *(b"data", size if size < OPEN else 0xFFFFFFFF),
        )


def wave(data: Bytes, start: int, end: int) -> Structure:
    """The structure of a file that begins with RIFF, RIFX, RF64 or BW64, and WAVE."""
    order = "big" if data.at(start, 4) == b"RIFX" else "little"
    samples: _Samples | None = None
    ranges: list[tuple[int, int]] = []
    truncated = False
    large = 0
    place = start + 12
    while place + 8 <= end:
        kind, size = data.at(place, 4), data.number(place + 4, 4, order)
        body = place + 8
        if kind == b"ds64":
            large = data.number(body + 8, 8)
        elif kind == b"fmt ":
            samples = _read_format(data.at(body, min(size, 64)), order)
        elif kind == b"data":
            if size == 0xFFFFFFFF and large:
                size = large
            if (size >= OPEN and not large) or (not size and not _is_chunk(data, body, end)):
                ranges.append((body, end))
                break
            missing = body + size - end
            # A header that counts itself is not lost sound, nor is a size that contradicts that of the whole.
            whole = start + 8 + data.number(start + 4, 4, order)
            truncated = missing > (0 if whole >= body + size or large else body - start)
            ranges.append((body, min(body + size, end)))
        place = _next(data, body, size, end)
    if samples is None or not samples.known or not ranges or _are_floats(data, samples, *ranges[0]):
        return Structure([(start, end)], truncated)
    return Structure(_parts(data, samples, ranges), truncated, plain=samples.channels == 1)


def _read_format(chunk: bytes, order: str) -> _Samples | None:
    if len(chunk) < 14:
        return None
    sign = ">" if order == "big" else "<"
    tag, channels, rate, _, block = struct.unpack_from(f"{sign}HHIIH", chunk)
    bits = struct.unpack_from(f"{sign}H", chunk, 14)[0] if len(chunk) >= 16 else 0
    if tag == EXTENSIBLE:
        tag = struct.unpack_from(f"{sign}I", chunk, 24)[0] if len(chunk) >= 40 else PCM
    elif tag == PCM and len(chunk) > 18:  # an old program's floats, by what follows
        return None
    whole = block // channels if channels and not block % channels else 0
    width = max(whole, (bits + 7) // 8)
    if whole not in {0, width} or width > 8:  # one of the two is wrong
        width = (bits + 7) // 8
    return _Samples(tag, channels, rate, width, bits, order)


def _is_chunk(data: Bytes, place: int, end: int) -> bool:
    """Whether a chunk or the end is there, rather than samples."""
    if place >= end:
        return True
    name, size = data.at(place, 4), data.number(place + 4, 4)
    return name.isascii() and name.decode().isprintable() and place + 8 + size <= end + 1


def _next(data: Bytes, body: int, size: int, end: int) -> int:
    """Where the next chunk begins; some programs forget to pad odd sizes."""
    padded = body + size + size % 2
    if size % 2 and not _is_chunk(data, padded, end) and _is_chunk(data, padded - 1, end):
        return padded - 1
    return padded


def _are_floats(data: Bytes, samples: _Samples, first: int, stop: int) -> bool:
    """Whether 4-byte integers are really floats up to 2^23, as an old editor wrote them."""
    if (samples.tag, samples.width, samples.bits) != (PCM, 4, 24):
        return False
    block = data.at(first, min(BLOCK, stop - first))
    values = np.frombuffer(block[: len(block) // 4 * 4], "<f4")
    return bool(np.isfinite(values).all()) and 1 <= float(np.abs(values).max(initial=0)) <= 2**24


def _parts(data: Bytes, samples: _Samples, ranges: list[tuple[int, int]]) -> list[Part]:
    spare = _spare(data, samples, ranges)
    little = samples.order == "little"
    if spare and little:  # each sample moves up by so many bytes
        parts: list[Part] = [bytes(spare), *ranges]
    elif spare:
        parts = [(ranges[0][0] + spare, ranges[0][1]), *ranges[1:], bytes(spare)]
    else:
        parts = list(ranges)
    size = sum(stop - first for first, stop in ranges)
    return [samples.header(size), *parts]


def _spare(data: Bytes, samples: _Samples, ranges: list[tuple[int, int]]) -> int:
    """How many upper bytes of 4-byte integers are never used: 1 for 24 bits in the lower part, or 0."""
    if (samples.tag, samples.width) != (PCM, 4):
        return 0
    in_use, peak = 0, 0
    for first, stop in ranges:
        for place in range(first, stop - 3, BLOCK):
            block = data.at(place, min(BLOCK, stop - place))
            values = np.frombuffer(block[: len(block) // 4 * 4], "<i4" if samples.order == "little" else ">i4")
            peak = max(peak, int(np.abs(values.astype(np.int64)).max()))
            if peak >= 2**23:
                return 0
            in_use |= int(np.bitwise_or.reduce(values))
    return 1 if peak >= LOW or (peak > 2**15 and in_use & 0xFF) else 0
