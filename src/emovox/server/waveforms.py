"""Waveforms: recordings that are decoded and wait for a model are on disk, within a limit.

A file of 3 MB may be hours of silence, a gigabyte when decoded: how much is known only on the way. So space is
reserved as the sound comes, and a recording that finds none has to wait. A single one always finds room: when
another has to wait, its space is free again.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emovox import private
from emovox.audio.waveform import SAMPLE_RATE
from emovox.server.disk import has_room, no_room

SECOND = 4 * SAMPLE_RATE  # bytes
_BEYOND = 60  # seconds that may be decoded until a recording proves to be too long


class WaveformFile:
    """The file of one waveform, while it is decoded.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path, take: Callable[[int], None]) -> None:
        self.path, self._take = path, take
        self.size = 0

    def grow(self, seconds: float) -> None:
        """Reserve space for so many seconds in all.

        Raises:
            Problem: 503, there is none right now.
        """
        size = round(seconds * SECOND)
        self._take(size - self.size)
        self.size = size


class Waveforms:
    """The directory of waveforms, with a limit. For the event loop's thread.

    Attributes:
        directory: of the files; it is emptied at the start.
        size: of all waveforms, bytes.
    """

    def __init__(self, directory: Path, *, most: int, longest: float) -> None:
        """Begin.

        Args:
            directory: for waveforms only.
            most: bytes in all.
            longest: seconds of one recording; it always finds room.

        Raises:
            OSError: it can't be created.
        """
        self.directory, self.size = directory, 0
        self._lengths: dict[
            str, int
        ] = {}  # bytes that uploads are known to need, so that none is decoded in vain twice
        self._most = max(most, (min(longest, 1e9) + _BEYOND) * SECOND)
        private.make_directory(directory)
        for path in directory.iterdir():
            path.unlink(missing_ok=True)

    def _check(self, more: int) -> None:
        if self.size + more > self._most:
            raise no_room("decoded recordings have filled their share of the disk")
        if not has_room(self.directory, more):
            raise no_room("the disk is nearly full")

    @contextmanager
    def create(self, token: str) -> Iterator[WaveformFile]:
        """A file for the waveform of an upload, deleted at the end of the block.

        It is a new file every time, because a decoder that was given up may still be writing.

        Raises:
            Problem: 503, there is no room for it, as far as its length is known.
        """

        def take(more: int) -> None:
            self._lengths[token] = waveform.size + more
            self._check(more)
            self.size += more

        private.make_directory(self.directory)  # in case it was deleted
        self._check(self._lengths.get(token, SECOND))
        waveform = WaveformFile(self.directory / secrets.token_hex(16), take)
        try:
            yield waveform
        finally:
            self.size -= waveform.size
            if not self.size:
                self._lengths.clear()
            with suppress(OSError):
                waveform.path.unlink(missing_ok=True)
