"""Matroska and WebM: elements within elements. A browser's recording states no length, but its blocks do."""

import re

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

HEADER, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
CUES, TAGS = 0x1C53BB6B, 0x1254C367
WINDOW = 2**20  # bytes searched at a time
_IN_SEGMENT = frozenset(
    {HEADER, SEGMENT, CLUSTER, CUES, TAGS, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1941A469, 0x1043A770, 0xEC, 0xBF}
)
_IN_CLUSTER = frozenset({0xE7, 0xA7, 0xAB, 0x5854, 0xA0, 0xA3, 0xAF, 0xEC, 0xBF})
_FOLLOWING = re.compile(b"|".join(re.escape(name.to_bytes(4, "big")) for name in (CLUSTER, CUES, TAGS)))


def matroska(data: Bytes, start: int, end: int) -> Structure:
    """The structure of a file that begins with an EBML header."""
    place, damaged, truncated = start, False, False
    inside = False  # a cluster whose size isn't stated
    while place < end and not truncated:
        head = data.at(place, min(12, end - place))
        identity, size, width = _element(head)
        known = identity in _IN_SEGMENT or (inside and identity in _IN_CLUSTER)
        if not known:
            following = _find(data, place + 1, end)
            if following is None:  # something was appended, or an element is incomplete
                truncated = inside and len(head) < 12 and head[0] >= 0x80
                break
            place, inside, damaged = following, False, True
            continue
        body = place + width
        if identity in {SEGMENT, CLUSTER} and (size is None or identity == SEGMENT):
            inside, place = identity == CLUSTER, body
            continue
        inside = inside and identity in _IN_CLUSTER
        truncated = body + (size or 0) > end and (inside or identity == CLUSTER)
        place = body + (size or 0)
    return Structure([(start, end)], truncated, damaged)


def _element(head: bytes) -> tuple[int, int | None, int]:
    """An element's identity (0: it isn't one), and the sizes of its body (None: open) and of its head."""
    width = 9 - head[0].bit_length()
    if width > 4 or len(head) <= width or not head[width]:
        return 0, None, 0
    length = 9 - head[width].bit_length()
    if len(head) < width + length:
        return 0, None, 0
    largest = (1 << 7 * length) - 1
    size = int.from_bytes(head[width : width + length], "big") & largest
    return int.from_bytes(head[:width], "big"), None if size == largest else size, width + length


def _find(data: Bytes, place: int, end: int) -> int | None:
    """Where the next element of the segment begins."""
    while place < end:
        window = data.at(place, min(WINDOW, end - place))
        if match := _FOLLOWING.search(window):
            return place + match.start()
        if len(window) < WINDOW:
            return None
        place += len(window) - 3
    return None
