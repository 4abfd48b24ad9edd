"""The status: how far a run has come."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from emovox.inference.recognition import ModelFacts

SLOWEST = 5  # recordings named in the summary
REASONS = 3  # of failures, likewise


@dataclass
class Status:
    """How far a run has come.

    Attributes:
        model: of the workers.
        workers: how many.
        trouble: what the run is waiting for, in words; "": nothing.
        before: recordings that earlier runs recognised.
        failed_before: recordings that failed in earlier runs.
        listed: new recordings found.
        listing: whether more may be found.
        done: recordings recognised in this run.
        same: how many of these have the same content as another.
        failed: recordings that failed in this run.
        reasons: path and reason of the first of these.
        incomplete: recordings, of all runs, that were recognised and lack an export.
        seconds: of sound recognised in this run.
        started: on the monotonic clock.
        emotions: recordings by emotion, of all runs.
        labels: likewise, by class of a model that doesn't give the nine.
        values: the sums of its values and how many they are, by name, likewise.
        slowest: seconds taken and path, of the slowest in this run.
        corpus: recordings, or channels of them, that the corpus's baseline is of; None: as for `second`.
        second: how many rows the second pass has moved, and of how many; None: it hasn't begun, or there is none.
    """

    model: ModelFacts | None = None
    workers: int = 0
    trouble: str = ""
    before: int = 0
    failed_before: int = 0
    listed: int = 0
    listing: bool = True
    done: int = 0
    same: int = 0
    failed: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    incomplete: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    emotions: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    values: dict[str, tuple[float, int]] = field(default_factory=dict)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    corpus: int | None = None
    second: tuple[int, int] | None = None

    def count(self, rows: Iterable[dict[str, Any]]) -> None:
        """Count rows of the table by emotion, else by the class of the first readout that has classes."""
        for row in rows:
            if row["emotion"] is not None:
                self.emotions[row["emotion"]] += 1
                continue
            readouts = [readout for _, readout in row.get("readouts") or []]
            self.labels.update([item["label"] for item in readouts if item["label"] is not None][:1])
            for name, value in (pair for item in readouts for pair in item["values"] or []):
                total, number = self.values.get(name, (0.0, 0))
                self.values[name] = total + value, number + 1

    @property
    def elapsed(self) -> float:
        """Seconds since the workers were ready."""
        return max(time.monotonic() - self.started, 1e-3)

    @property
    def remaining(self) -> float | None:
        """Seconds that the rest will take at this pace; None: not known yet."""
        finished = self.done + self.failed
        if self.listing or not finished:
            return None
        return self.elapsed / finished * max(0, self.listed - finished)
