"""The progress of a command: a bar on a terminal, elsewhere a line now and then."""

import sys
import time
from collections.abc import Sized
from types import TracebackType

import rich.progress
from rich.console import Console

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.cli.report import printable
from emovox.inference.options import Sink

EVERY = 10.0  # seconds between lines, without a terminal


class Progress:
    """A bar with the current recording, how many are done, the rate and the time left."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._name = ""
        self._samples = self._done = 0
        self._total = total
        self._started = self._said = time.monotonic()
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._lines = shown and sys.stderr is not None and not is_terminal
        self._bar = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TextColumn("{task.fields[rate]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (shown and is_terminal),
        )
        self._task = self._bar.add_task("", total=total, rate="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """Name the recording that is being recognised."""
        self._name = printable(name)
        self._bar.update(self._task, description=self._name if len(self._name) <= 40 else "…" + self._name[-39:])

    def next(self, name: str) -> None:
        """Name a recording, and count the one before it as done."""
        if self._name:
            self.end()
        self.begin(name)

    def follow(self, sink: Sink | None) -> Sink:
        """A sink that counts the audio it passes on to `sink`."""

        def count(block: Waveform) -> None:
            if sink is not None:
                sink(block)
            self._samples += len(block)
            self._bar.update(self._task, rate=self._rate())
            self._say()

        return count

    def end(self) -> None:
        """Count one recording as done."""
        self._done += 1
        self._bar.advance(self._task)
        self._say()

    def _rate(self) -> str:
        seconds = self._samples / SAMPLE_RATE
        speed = seconds / max(time.monotonic() - self._started, 1e-3)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d} of audio, {speed:.0f}× real time"

    def _say(self) -> None:
        """Print a line if it is time for one."""
        if self._lines and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            rate = f", {self._rate()}" if self._samples else ""  # not every command follows the audio
            left = (self._said - self._started) / self._done * (self._total - self._done) if self._done else None
            until = "" if left is None else f", {int(left) // 60}:{int(left) % 60:02d} left"
            sys.stderr.write(f"{self._done} of {self._total} done{rate}{until}\n")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar off the screen, so that a line can be printed; it comes back by itself."""
        if not self._bar.disable:
            self._bar.stop()
            self._bar.start()


def counting_bar(*, shown: bool) -> rich.progress.Progress:
    """A bar with how many are done and the time left; nothing where there is no terminal."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not (shown and sys.stderr is not None and sys.stderr.isatty()),
    )


class Steps:
    """Training's two bars, one after the other: for recordings, and for fits."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._recordings: Progress | None = None
        self._bar = counting_bar(shown=shown)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_recordings()
        self._bar.stop()

    def start(self, rows: Sized) -> None:
        """Show that the recordings of a list come."""
        self._recordings = Progress(len(rows), shown=self._shown)
        self._recordings.__enter__()

    def begin(self, name: str) -> None:
        """Show that a recording is being recognised."""
        if self._recordings is not None:
            self._recordings.next(name)

    def segment(self, done: int, total: int) -> None:
        """Show that some corrected segments are done."""
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description="segments")

    def fit(self, done: int, total: int) -> None:
        """Show that some fits are done."""
        self._end_recordings()
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total, description="fitting")

    def _end_recordings(self) -> None:
        if self._recordings is not None:
            self._recordings.__exit__(None, None, None)
            self._recordings = None
