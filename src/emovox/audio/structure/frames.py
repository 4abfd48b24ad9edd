"""Streams of frames without a container: MP3 and its predecessors, AAC, AC-3, DTS. Each frame has its length."""

from collections.abc import Callable

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

HEAD = 8  # bytes that tell a frame's length
TAIL = 65_536  # bytes before the end that are searched for the last frames
FOLLOWING = 3  # frames in a row that can't be chance
_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)

Length = Callable[[bytes], int]
"""The bytes of the frame with this head; 0: it isn't a frame."""


def frames(data: Bytes, start: int, end: int) -> Structure | None:
    """The structure of a file that begins with a frame; None if it doesn't."""
    length = _kind(data.at(start, HEAD))
    if length is None:
        return None
    tail = max(start, end - TAIL)
    last, truncated = _last(data.at(tail, end - tail), length)
    seconds = _counted(data, start) if length is _mpeg else None
    return Structure([(start, end if truncated or not last else tail + last)], truncated, seconds=seconds)


def are_frames(data: bytes) -> bool:
    """Whether bytes begin with frames: so many in a row that it can't be chance, or nothing but frames."""
    length, place, count = _kind(data[:HEAD]), 0, 0
    while length and count < FOLLOWING and (size := length(data[place : place + HEAD])):
        place += size
        count += 1
    return count == FOLLOWING or (count > 0 and place == len(data))


def _kind(head: bytes) -> Length | None:
    return next((length for length in (_mpeg, _adts, _ac3, _dts, _loas) if length(head)), None)


def _last(tail: bytes, length: Length) -> tuple[int, bool]:
    """Where the last frame ends, and whether that is beyond the end."""
    last = place = 0
    while place < len(tail) - 2:
        stop = _follow(tail, place, length)
        if stop is None:
            place += 1
        elif stop > len(tail) + 1:  # some encoders leave out the padding byte of the last frame
            return stop, True
        else:
            last = place = stop
    return last, False


def _follow(tail: bytes, place: int, length: Length) -> int | None:
    """Where a row of frames that begins here ends; None if none begins here."""
    count, first = 0, place
    while size := length(tail[place : place + HEAD]):
        place += size
        count += 1
    row = count >= FOLLOWING or (count and (place == len(tail) or first == 0))
    return place if row else None


def _mpeg(head: bytes) -> int:
    rates = _mpeg_head(head)
    if rates is None:
        return 0
    version, layer, kbits, rate, padding = rates
    if layer == 1:
        return (12_000 * kbits // rate + padding) * 4
    return (72_000 if layer == 3 and version == 2 else 144_000) * kbits // rate + padding


def _mpeg_head(head: bytes) -> tuple[int, int, int, int, int] | None:
    """Version (2: 2.5 too), layer, kbit/s, Hz, and whether there is padding."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bits, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    kbits = _KBITS[generation, min(layer, 3 if generation == 1 else 2)][bits - 1]
    return generation, layer, kbits, _RATES[rate] // {3: 1, 2: 2, 0: 4}[version], head[2] >> 1 & 1


def _counted(data: Bytes, start: int) -> float | None:
    """Seconds, if the first frame has no sound but counts the others: Xing, Info or VBRI."""
    head = _mpeg_head(data.at(start, 4))
    first = data.at(start, 64)
    place = max(first.find(b"Xing"), first.find(b"Info"))
    if place >= 0 and data.at(start + place + 7, 1) >= b"\1" and data.at(start + place + 7, 1)[0] & 1:
        count = data.number(start + place + 8, 4, "big")
    elif (place := first.find(b"VBRI")) >= 0:
        count = data.number(start + place + 14, 4, "big")
    else:
        return None
    assert head is not None  # noqa: S101  the caller has checked
    generation, layer, _, rate, _ = head
    return count * (384 if layer == 1 else 576 if layer == 3 and generation == 2 else 1152) / rate


def _adts(head: bytes) -> int:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size >= 7 else 0


def _ac3(head: bytes) -> int:
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:  # E-AC-3
        return ((head[2] & 7) << 8 | head[3]) * 2 + 2
    rate, code = head[4] >> 6, head[4] & 63
    if rate == 3 or code >= 2 * len(_AC3_KBITS):
        return 0
    kbits = _AC3_KBITS[code // 2]
    return 2 * (2 * kbits, kbits * 320 // 147 + code % 2, 3 * kbits)[rate]


def _dts(head: bytes) -> int:
    if len(head) < HEAD or head[:4] != b"\x7f\xfe\x80\x01":
        return 0
    return ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1


def _loas(head: bytes) -> int:
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return 0
    return ((head[1] & 31) << 8 | head[2]) + 3
