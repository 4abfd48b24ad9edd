"""Matroska and WebM: elements within elements. A browser's recording states no length, but its blocks do."""

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

HEADER, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_IN_CLUSTER = frozenset({0xE7, 0xA7, 0xAB, 0x5854, 0xA0, 0xA3, 0xAF, 0xEC, 0xBF})


def matroska(data: Bytes, start: int, end: int) -> Structure:
    """The structure of a file that begins with an EBML header."""
    place, truncated = start, False
    inside = False  # a cluster whose size isn't stated
    while place < end:
        head = data.at(place, min(12, end - place))
        element = _element(head)
        if element is None:  # half an element's head, or no Matroska any more
            truncated = inside and len(head) < 12 and head[0] >= 0x10
            break
        identity, size, width = element
        body = place + width
        if identity in {SEGMENT, CLUSTER} and (size is None or identity == SEGMENT):
            inside = identity == CLUSTER
            place = body
            continue
        inside = inside and identity in _IN_CLUSTER
        if size is None:  # nothing else may leave it out
            break
        if body + size > end:
            truncated = inside or identity == CLUSTER
            break
        place = body + size
    return Structure([(start, end)], truncated)


def _element(head: bytes) -> tuple[int, int | None, int] | None:
    """Identity, size of the body (None: open) and of the head of the element that begins with these bytes."""
    if not head or head[0] < 0x10:
        return None
    width = 9 - head[0].bit_length()
    if len(head) <= width or not head[width]:
        return None
    length = 9 - head[width].bit_length()
    if len(head) < width + length:
        return None
    size = int.from_bytes(head[width : width + length], "big") - (1 << 7 * length)
    open_ = size == (1 << 7 * length) - 1
    return int.from_bytes(head[:width], "big"), None if open_ else size, width + length
