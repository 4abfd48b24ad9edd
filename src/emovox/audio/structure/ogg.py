"""Ogg: numbered pages with checksums. FFmpeg silently leaves out broken pages."""

import struct
import zlib

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

WINDOW = 2**20  # bytes read at a time; a page has 65,307 at most
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg(data: Bytes, start: int, end: int) -> Structure:
    """The structure of a file that begins with a page."""
    numbers: dict[int, int] = {}
    place, damaged, truncated = start, False, False
    window, first = b"", start
    while place < end:
        if place + 65_307 > first + len(window) and first + len(window) < end:
            window, first = data.at(place, min(WINDOW, end - place)), place
        offset = place - first
        page = _page(window, offset)
        if page is None:
            if window[offset : offset + 4] == b"OggS"[: end - place]:
                truncated = True
                break
            next_page = window.find(b"OggS", offset + 1)
            if next_page < 0 and first + len(window) >= end:  # not a page: something was appended
                break
            damaged = True
            place = first + next_page if next_page >= 0 else first + len(window) - 3
            continue
        serial, number = struct.unpack_from("<II", page, 14)
        damaged = damaged or _checksum(page) != 0 or number > numbers.get(serial, number - 1) + 1
        numbers[serial] = number
        place += len(page)
    return Structure([(start, end)], truncated, damaged)


def _page(window: bytes, offset: int) -> bytes | None:
    """The page that begins there, if it is complete."""
    head = window[offset : offset + 27]
    if len(head) < 27 or head[:4] != b"OggS":
        return None
    laces = window[offset + 27 : offset + 27 + head[26]]
    page = window[offset : offset + 27 + head[26] + sum(laces)]
    return page if len(laces) == head[26] and len(page) == 27 + head[26] + sum(laces) else None


def _checksum(page: bytes) -> int:
    """0 if a page's checksum is right: a CRC-32 with the bits in reverse order, initial and final value 0."""
    body = (page[:22] + bytes(4) + page[26:]).translate(_TURNED)
    turned = zlib.crc32(body, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{turned:032b}"[::-1], 2) ^ int.from_bytes(page[22:26], "little")
