"""Transport streams: packets of one length, each with a sync byte. They may begin and end anywhere."""

from emovox.audio.structure.structure import Structure
from emovox.audio.structure.view import Bytes

SYNC = 0x47
SIZES = {188: 0, 192: 4, 204: 0}  # bytes of a packet, and where its sync byte is
ROW = 4  # sync bytes in a row that can't be chance
TAIL = 65_536  # bytes before the end that are searched for the last packet


def transport(data: Bytes, start: int, end: int) -> Structure | None:
    """The structure of a file that begins with packets; None if it doesn't. What was appended is left out."""
    head = data.at(start, ROW * max(SIZES))
    for size, sync in SIZES.items():
        if _row(head, sync + (ROW - 1) * size, size):
            break
    else:
        return None
    tail = max(start, end - TAIL)
    window = data.at(tail, end - tail)
    for place in range(len(window) - size + sync, (ROW - 1) * size, -1):
        if window[place] == SYNC and _row(window, place, size):
            return Structure([(start, tail + place - sync + size)])
    return Structure([(start, end)])


def _row(data: bytes, last: int, size: int) -> bool:
    """Whether there are sync bytes at the last packet and before it."""
    places = [last - number * size for number in range(ROW)]
    return last < len(data) and places[-1] >= 0 and all(data[place] == SYNC for place in places)
