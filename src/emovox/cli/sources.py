"""What `emovox listen` takes besides a microphone: a file as if it were spoken now, and samples from a pipe."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
from emovox.audio.microphone import WAIT
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import UnreadableAudioError

_PIECE = 65_536  # bytes taken from a pipe at once
_PIECES = 64  # that may wait: more would be memory that grows


class Sound(Protocol):
    """Where sound comes from, as it comes.

    Attributes:
        name: of it, in results.
        rate: samples a second.
    """

    name: str
    rate: float

    def read(self) -> NDArray[Any] | None:
        """All that has come since the last time, maybe nothing after a tenth of a second; None at the end."""

    def close(self) -> None:
        """Let go of it."""


class FileSound:
    """A recording, played as time goes by or as fast as it is taken."""

    rate: float = SAMPLE_RATE

    def __init__(self, path: Path, *, fast: bool) -> None:
        """Open it.

        Raises:
            AudioError: it can't be used.
            DecoderError: no decoding process can be started.
        """
        self._stack = ExitStack()
        with ExitStack() as stack:
            decoding = stack.enter_context(IsolatedDecoder().open(path))
            self.name = decoding.name or path.name
            self._blocks: Iterator[Waveform] = decoding.blocks()
            self._stack = stack.pop_all()
        self._fast = fast
        self._started: float | None = None
        self._given = 0
        self._held = np.empty(0, np.float32)

    def read(self) -> Waveform | None:
        """As `Sound.read`."""
        if self._fast:
            return next(self._blocks, None)
        self._started = self._started or time.monotonic()
        time.sleep(WAIT)
        due = int((time.monotonic() - self._started) * SAMPLE_RATE) - self._given
        while len(self._held) < due:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = np.concatenate([self._held, block])
        samples, self._held = self._held[:due], self._held[due:]
        self._given += len(samples)
        return samples if len(samples) else None

    def close(self) -> None:
        """As `Sound.close`."""
        self._stack.close()


class PipeSound:
    """Standard input: 16-bit samples, little-endian, one channel, as `arecord -t raw -f S16_LE` gives them."""

    name = "stdin"

    def __init__(self, rate: float) -> None:
        """Begin to read.

        Raises:
            UnreadableAudioError: standard input is closed.
        """
        if sys.stdin is None:
            raise UnreadableAudioError("standard input is closed")
        self.rate = rate
        self._file = sys.stdin.fileno()
        self._pieces: Queue[bytes] = Queue(_PIECES)
        self._rest = b""
        self._ended = False
        # A thread, because a pipe can't be waited for with a limit on every system.
        Thread(target=self._take, daemon=True).start()

    def read(self) -> NDArray[np.int16] | None:
        """As `Sound.read`."""
        if self._ended:
            return None
        data = self._rest
        try:
            piece = self._pieces.get(timeout=WAIT)
            while piece:
                data += piece
                piece = self._pieces.get_nowait()
            self._ended = True
        except Empty:
            pass
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return np.frombuffer(data[:whole], "<i2")

    def close(self) -> None:
        """As `Sound.close`; the thread ends with the pipe or the program."""

    def _take(self) -> None:
        # Not through sys.stdin.buffer: its lock, held while reading, would break the interpreter's end.
        piece = b" "
        while piece:
            try:
                piece = os.read(self._file, _PIECE)
            except OSError:
                piece = b""
            self._pieces.put(piece)
