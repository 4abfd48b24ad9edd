"""The status: how far a run is, for people."""

import time
from collections import Counter
from dataclasses import dataclass, field

from emovox.inference.recognition import ModelFacts

SLOWEST = 5  # recordings that the summary names


@dataclass
class Status:
    """How far a run is.

    Attributes:
        model: what hears.
        workers: that hear.
        trouble: what the run waits for, in words; "": nothing.
        before: recordings that earlier runs heard.
        failed_before: recordings that they could not use.
        listed: recordings found that are new.
        listing: whether more may be found.
        done: recordings heard now.
        same: of these, those whose content was known.
        failed: recordings that could not be used now.
        seconds: of sound heard now.
        started: on the monotonic clock.
        emotions: recordings by emotion, of all runs.
        slowest: seconds taken and path, of the slowest now.
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
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic)
    emotions: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the workers were ready."""
        return max(time.monotonic() - self.started, 1e-3)

    @property
    def remaining(self) -> float | None:
        """Seconds that what is listed will take, at this pace; None: nobody knows yet."""
        finished = self.done + self.failed
        if self.listing or not finished:
            return None
        return self.elapsed / finished * max(0, self.listed - finished)
