"""Tags around a recording: ID3 before it; ID3, APEv2 and Lyrics3 after it. They aren't part of the sound."""

import re

from emovox.audio.structure.view import Bytes

SEARCHED = 4 * 2**20  # bytes before the end within which an ID3v2 tag without a footer may begin
LYRICS_1 = 5_100 + 11 + 9  # the longest Lyrics3 tag of version 1

_NO_SOUND = re.compile(rb"ID3[\2-\4]|TAG|APETAGEX|LYRICSBEGIN|LYRICS200|3DI[\2-\4]")


def leading(data: Bytes, start: int, end: int) -> int:
    """Where the recording begins, after ID3v2 tags."""
    while size := _id3(data.at(start, 10)):
        if start + size > end:
            break
        start += size
    return start


def trailing(data: Bytes, start: int, end: int) -> int:
    """Where the recording ends, before tags of any number and order."""
    while True:
        size = _id3v1(data, end) or _ape(data, end) or _lyrics(data, end) or _id3v2(data, start, end)
        if not size or end - size <= start:
            return end
        end -= size


def is_padding(data: bytes) -> bool:
    """Whether bytes between or after frames are no lost sound: tags, zeros, ends of lines."""
    return not data.strip(b"\0\r\n\t ") or _NO_SOUND.match(data) is not None


def _syncsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << (7 * (3 - place)) for place, byte in enumerate(data))


def _id3(head: bytes) -> int:
    """The size of the ID3v2 tag that begins with these bytes; 0: it isn't a tag."""
    if len(head) < 10 or head[:3] != b"ID3" or not 2 <= head[3] <= 4 or max(head[6:10]) > 0x7F:
        return 0
    return 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)


def _id3v1(data: Bytes, end: int) -> int:
    if data.at(end - 128, 3) != b"TAG":
        return 0
    return 128 + (227 if data.at(end - 128 - 227, 4) == b"TAG+" else 0)


def _ape(data: Bytes, end: int) -> int:
    foot = data.at(end - 32, 32)
    if foot[:8] != b"APETAGEX" or foot[23] & 0x20:  # a header, not a footer
        return 0
    size = int.from_bytes(foot[12:16], "little")
    if size < 32:
        return 0
    return size + 32 if data.at(end - size - 32, 8) == b"APETAGEX" else size


def _lyrics(data: Bytes, end: int) -> int:
    foot = data.at(end - 15, 15)
    if foot[6:] == b"LYRICS200" and foot[:6].isdigit():
        size = int(foot[:6]) + 15
        return size if data.at(end - size, 11) == b"LYRICSBEGIN" else 0
    if foot[6:] == b"LYRICSEND":
        size = min(end, LYRICS_1)
        place = data.at(end - size, size).rfind(b"LYRICSBEGIN")
        return size - place if place >= 0 else 0
    return 0


def _id3v2(data: Bytes, start: int, end: int) -> int:
    foot = data.at(end - 10, 10)
    if len(foot) == 10 and foot[:3] == b"3DI" and max(foot[6:]) <= 0x7F:
        return _syncsafe(foot[6:]) + 20
    first = max(start, end - SEARCHED)
    tail = data.at(first, end - first)
    place = tail.find(b"ID3")
    while place >= 0:
        if place + _id3(tail[place : place + 10]) == len(tail):
            return len(tail) - place
        place = tail.find(b"ID3", place + 1)
    return 0
