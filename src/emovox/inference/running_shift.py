"""The shift of a stream relative to itself: that of its segments so far, moved by little from update to update.

A segment counts once it has ended, by the mean of what its updates were computed from: the embeddings of the
latest second each time. From the eighth on there is a shift, and each segment changes it. What is shown must not
jump because of that, so it follows: what is added to the log-odds of two classes changes by at most `BLEND` from
one update to the next.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from emovox.audio.speech import SpeechFinder
from emovox.audio.waveform import Waveform
from emovox.baselines.baseline import Baseline, Vector
from emovox.baselines.fitting import of_itself
from emovox.baselines.shift import Shift
from emovox.inference.run import SEGMENTS
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Floats

BLEND = 0.1
"""The most that the shift moves the log-odds of two classes from one update to the next; a score by 0.025."""


class RunningShift:
    """The shift of one stream.

    Attributes:
        finder: gets the stream, so that its segments are those of a recording.
        target: the shift by all segments so far; None: there are too few.
    """

    def __init__(self, shift_of: Callable[[Baseline], Shift], metadata: Metadata, *, step: int) -> None:
        """Begin.

        Args:
            shift_of: gives the shift of a baseline.
            metadata: of the model.
            step: samples from one update to the next.
        """
        self.finder = SpeechFinder()
        self.target: Shift | None = None
        self._shift_of, self._metadata, self._step = shift_of, metadata, step
        self._baseline: Baseline | None = None
        self._updates: list[tuple[int, Floats]] = []  # of the open segment: the sample where each ends, embedding
        self._known = 0  # spans in the finder that were counted
        self._vector: Vector | None = None  # that was shown last

    def update(self, end: int, embedding: Floats) -> Shift | None:
        """The shift for an update, at most `BLEND` nearer to the target than that before; None: there is none yet.

        Args:
            end: the sample where its latest speech ends.
            embedding: the mean that it is computed from, (D,).
        """
        self._updates.append((end, embedding))
        self._count()
        if self.target is None:
            return None
        goal = self.target.vector
        before = np.zeros_like(goal) if self._vector is None else self._vector
        distance = float(np.ptp(goal - before))
        self._vector = goal if distance <= BLEND else before + BLEND / distance * (goal - before)
        return replace(self.target, logits=dict(zip(self.target.logits, self._vector.tolist(), strict=True)))

    def finish(self, rest: Waveform) -> None:
        """End the stream with its last samples, and with it an open segment."""
        self.finder.push(rest)
        self.finder.finish()
        self._count()

    def _count(self) -> None:
        """Count the segments that have ended."""
        spans = self.finder.spans
        for span in spans[self._known :]:
            rows = [row for end, row in self._updates if span.start < end < span.end + self._step]
            self._updates = [item for item in self._updates if item[0] >= span.end + self._step]
            if rows:  # else nothing of it went to the model
                self._baseline = of_itself([np.mean(rows, axis=0)], self._metadata, self._baseline)
        if self._known < len(spans) and self._baseline is not None and self._baseline.count >= SEGMENTS:
            self.target = self._shift_of(self._baseline)
        del spans[:-1]  # of hours they would be many; the finder needs the last
        self._known = len(spans)
