"""Progress of a run over recordings, on a terminal only."""

import sys
import time
from types import TracebackType

import rich.progress
from rich.console import Console

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.recognition.options import Sink


class Progress:
    """A bar with what is being heard, how many are done, the rate and the time that remains."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._heard = 0
        self._started = time.monotonic()
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
            disable=not (shown and sys.stderr is not None and sys.stderr.isatty()),
        )
        self._task = self._bar.add_task("", total=total, heard="")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """Name the recording that is being heard."""
        self._bar.update(self._task, description=name if len(name) <= 40 else "…" + name[-39:])

    def follow(self, sink: Sink | None) -> Sink:
        """A sink that counts the audio that goes by into `sink`."""

        def heard(block: Waveform) -> None:
            if sink is not None:
                sink(block)
            self._heard += len(block)
            seconds = self._heard / SAMPLE_RATE
            speed = seconds / max(time.monotonic() - self._started, 1e-3)
            clock = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
            self._bar.update(self._task, heard=f"{clock} of audio, {speed:.0f}× real time")

        return heard

    def end(self) -> None:
        """Count one recording as done."""
        self._bar.advance(self._task)

    def clear(self) -> None:
        """Take the bar off the screen, so that a line can be printed; it comes back by itself."""
        if not self._bar.disable:
            self._bar.stop()
            self._bar.start()
