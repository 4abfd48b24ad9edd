"""The progress of a run: a bar on a terminal, elsewhere a line now and then."""

import sys
import time
from types import TracebackType

import rich.progress
from rich.console import Console

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.inference.options import Sink

EVERY = 10.0  # seconds between lines, without a terminal


class Progress:
    """A bar with the current recording, how many are done, the rate and the time left."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._heard = self._done = 0
        self._total = total
        self._started = self._said = time.monotonic()
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lines = shown and sys.stderr is not None and not is_terminal
        self._bar = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[heard]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (shown and is_terminal),
        )
        self._task = self._bar.add_task("", total=total, heard="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """Name the recording that is being recognised."""
        self._bar.update(self._task, description=name if len(name) <= 40 else "…" + name[-39:])

    def follow(self, sink: Sink | None) -> Sink:
        """A sink that counts the audio it passes on to `sink`."""

        def heard(block: Waveform) -> None:
            if sink is not None:
                sink(block)
            self._heard += len(block)
            self._bar.update(self._task, heard=self._rate())
            self._say()

        return heard

    def end(self) -> None:
        """Count one recording as done."""
        self._done += 1
        self._bar.advance(self._task)
        self._say()

    def _rate(self) -> str:
        seconds = self._heard / SAMPLE_RATE
        speed = seconds / max(time.monotonic() - self._started, 1e-3)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} of audio, {speed:.0f}× real time"

    def _say(self) -> None:
        """Print a line if it is time for one."""
        if self._lines and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            rate = f", {self._rate()}" if self._heard else ""  # not every command follows the audio
            left = (self._said - self._started) / self._done * (self._total - self._done) if self._done else None
            until = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
            sys.stderr.write(f"{self._done} of {self._total} done{rate}{until}\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar off the screen, so that a line can be printed; it comes back by itself."""
        if not self._bar.disable:
            self._bar.stop()
            self._bar.start()
