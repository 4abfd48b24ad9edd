"""Waveforms: what is decoded and waits for the models lies on the disk, and takes no more of it than it may.

A file of 3 MB may be hours of silence, which are a gigabyte when decoded: how much is known only on the way. So
room is taken as the sound comes, and a recording for which there is none left is put off. One at a time always
finds room: when another is put off, what it had is free again.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emovox import private
from emovox.audio.waveform import SAMPLE_RATE
from emovox.server.disk import has_room, later

SECOND = 4 * SAMPLE_RATE  # bytes
_BEYOND = 60  # seconds that may be decoded before it is seen that a recording is too long


class Waveform:
    """One waveform's file, to be.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path, take: Callable[[int], None]) -> None:
        self.path, self._take = path, take
        self.size = 0

    def grow(self, seconds: float) -> None:
        """Take room for so many seconds in all.

        Raises:
            Problem: 503, there is none now.
        """
        size = round(seconds * SECOND)
        self._take(size - self.size)
        self.size = size


class Waveforms:
    """The directory of waveforms, and the room in it. For the event loop's thread.

    Attributes:
        directory: where; it is emptied at the start.
        taken: bytes.
    """

    def __init__(self, directory: Path, *, most: int, longest: float) -> None:
        """Begin.

        Args:
            directory: of nobody else.
            most: bytes at once.
            longest: seconds of one recording, for which there is always room.

        Raises:
            OSError: it can't be made.
        """
        self.directory, self.taken = directory, 0
        self._lengths: dict[str, int] = {}  # bytes that uploads are known to need: none is decoded in vain again
        self._most = max(most, (min(longest, 1e9) + _BEYOND) * SECOND)
        private.make_directory(directory)
        for left in directory.iterdir():
            left.unlink(missing_ok=True)

    def _check(self, more: int) -> None:
        if self.taken + more > self._most:
            raise later("the recordings that are decoded fill what they may of the disk")
        if not has_room(self.directory, more):
            raise later("the disk is nearly full")

    @contextmanager
    def place(self, token: str) -> Iterator[Waveform]:
        """Where the waveform of an upload may go, for the length of a block; it is deleted then.

        It is another place every time, as a decoder that was given up may still write.

        Raises:
            Problem: 503, there is no room for it, as far as its length is known.
        """

        def take(more: int) -> None:
            self._lengths[token] = waveform.size + more
            self._check(more)
            self.taken += more

        private.make_directory(self.directory)  # somebody may have deleted it
        self._check(self._lengths.get(token, SECOND))
        waveform = Waveform(self.directory / secrets.token_hex(16), take)
        try:
            yield waveform
        finally:
            self.taken -= waveform.size
            if not self.taken:
                self._lengths.clear()
            with suppress(OSError):
                waveform.path.unlink(missing_ok=True)
