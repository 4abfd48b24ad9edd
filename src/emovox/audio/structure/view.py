"""A view of a file: what FFmpeg is to read of it, as a file of its own."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO

Part = bytes | tuple[int, int]
"""Bytes to read instead, or a range of the file: from, to."""


class Bytes:
    """A file, read by offset; its own position means nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)

    def at(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start` on, fewer at the end of the file."""
        if not 0 <= start < self.size or size <= 0:
            return b""
        self.file.seek(start)
        return self.file.read(min(size, self.size - start))

    def number(self, start: int, size: int, order: str = "little") -> int:
        """A number of `size` bytes, `little` or `big` end first; missing bytes at the end count as 0."""
        return int.from_bytes(self.at(start, size), "little" if order == "little" else "big")


class View:
    """Parts of a file, one after the other, as a file to read; views of one file don't disturb each other.

    Seeking beyond either end stops there: false headers send FFmpeg to absurd offsets, which is no reason to fail.
    """

    def __init__(self, data: Bytes, parts: Sequence[Part]) -> None:
        self.name = str(getattr(data.file, "name", ""))  # FFmpeg goes by its ending if the bytes say little
        self._data = data
        self._parts = [part for part in parts if _size(part)]
        self._starts = [0, *accumulate(_size(part) for part in self._parts)]
        self.size = self._starts[-1]
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; all that are left where it is negative."""
        left = self.size - self._place if size < 0 else min(size, self.size - self._place)
        pieces = []
        while left > 0:
            index = bisect_right(self._starts, self._place) - 1
            part, offset = self._parts[index], self._place - self._starts[index]
            count = min(left, _size(part) - offset)
            if isinstance(part, bytes):
                piece = part[offset : offset + count]
            else:
                piece = self._data.at(part[0] + offset, count)
            if not piece:  # the file was truncated meanwhile
                break
            pieces.append(piece)
            self._place += len(piece)
            left -= len(piece)
        return b"".join(pieces)

    def peek(self, start: int, size: int) -> bytes:
        """Up to `size` bytes from `start` on, without moving."""
        place, self._place = self._place, min(start, self.size)
        try:
            return self.read(size)
        finally:
            self._place = place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, within the view."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = max(0, min(base + offset, self.size))
        return self._place

    def tell(self) -> int:
        """The offset."""
        return self._place

    def seekable(self) -> bool:
        """Whether `seek` works: yes."""
        return True


def _size(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]
