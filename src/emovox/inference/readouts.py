"""Readouts as a run applies them: those of the model, and a trained head."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.shift import Shift
from emovox.emotions import NAMES
from emovox.inference.frames import FrameReadout
from emovox.inference.pooling import Pool
from emovox.inference.recognition import ReadoutResult
from emovox.inference.smoothing import Sliding, smooth
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, temperature
from emovox.models.runtime.engine import Floats, Output
from emovox.models.runtime.readout_function import Functions
from emovox.models.scores import Scores, readout_scores


@dataclass(frozen=True)
class AppliedReadout:
    """A readout, and how its logits come about.

    Attributes:
        readout: of the model, or a trained head's.
        function: from embeddings (n, D) or frames to logits (n, K), where they aren't outputs of the model.
        emotions: those of the nine that may win.
        head: the trained head that it is.
        shift: float64 (K,), what a baseline adds to its logits; None: nothing does.
    """

    readout: Readout
    function: Callable[..., Floats] | None
    emotions: Collection[str] | None
    head: Head | None = None
    shift: Scores | None = None

    @property
    def name(self) -> str:
        """Of the readout; a trained head has its own."""
        return self.readout.name if self.head is None else self.head.name

    def scores(self, pool: Pool, seconds: float) -> Scores:
        """Scores or values of some frames, float64 (K,); how sure they are depends on the seconds of speech."""
        return self.numbers(self._logits(pool), temperature(self.readout.temperatures, seconds))

    def scores_without(self, pool: Pool, seconds: float) -> Scores | None:
        """As they would be without a baseline; None: there is none."""
        if self.shift is None:
            return None
        return readout_scores(
            self.readout, self._logits(pool) / temperature(self.readout.temperatures, seconds), self.emotions
        )

    def is_unsure(self, confidence: float) -> bool | None:
        """Whether a verdict of that confidence is unsure; None: there is no threshold for these classes."""
        calibration = self.readout.calibration
        if calibration is None or not set(self.readout.emotions.values()) <= set(self.emotions or NAMES):
            return None
        threshold = calibration.unsure if self.shift is None else calibration.unsure_relative
        return None if threshold is None else confidence < threshold

    def _logits(self, pool: Pool) -> NDArray[np.floating]:
        if self.function is None or self.readout.kind == "window":
            return pool.logits(self.name)
        logits: Floats = self.function(pool.embedding[np.newaxis])[0]
        return logits

    def moved(self, shift: Shift) -> "AppliedReadout":
        """The same with the shift of a baseline, if that is of this readout."""
        mine = self.head is None and self.readout.name == shift.readout
        return replace(self, shift=shift.vector) if mine else self

    def numbers(self, logits: NDArray[np.floating], divisor: float = 1.0) -> Scores:
        """Scores or values of logits (..., K)."""
        moved = logits if self.shift is None else logits + self.shift
        return readout_scores(self.readout, moved / divisor, self.emotions)

    def result(self, scores: Scores, without: Scores | None = None) -> ReadoutResult:
        """What is told of a whole or a segment; `scores` are float64 (K,), as those without a baseline are."""
        numbers = dict(zip(self.readout.labels, scores.tolist(), strict=True))
        created_at = None if self.head is None else self.head.training.created_at
        if self.readout.gives_values:
            return ReadoutResult(
                kind=self.readout.kind, values=numbers, range=self.readout.range, created_at=created_at
            )
        best = int(scores.argmax())
        return ReadoutResult(
            kind=self.readout.kind,
            label=self.readout.labels[best],
            confidence=float(scores[best]),
            scores=numbers,
            scores_without=None if without is None else dict(zip(numbers, without.tolist(), strict=True)),
            created_at=created_at,
        )


def applied(
    metadata: Metadata,
    functions: Functions,
    head: Head | None,
    emotions: Collection[str] | None,
    shift: Shift | None = None,
) -> list[AppliedReadout]:
    """The readouts of a model and the trained head, if there is one.

    Args:
        metadata: of the model.
        functions: of its readouts that aren't linear.
        head: trained on it.
        emotions: those of the nine that may win, where the nine follow from a readout.
        shift: of a baseline. A trained head isn't moved: it learnt from embeddings as they are.

    Raises:
        HeadError: the head was trained on another model, or a readout has its name.
    """
    main = metadata.emotions
    items = [
        AppliedReadout(
            readout,
            functions.get(readout.name),
            emotions if readout is main else None,
            shift=None if shift is None or readout.name != shift.readout else shift.vector,
        )
        for readout in metadata.readouts
    ]
    if head is not None:
        head.check(metadata)
        items.append(AppliedReadout(head.readout, head.logits, None, head))
    return items


class Curve:
    """The curve of a readout, made as windows come in order."""

    def __init__(self, item: AppliedReadout, *, width: float) -> None:
        """Begin.

        Args:
            item: the readout.
            width: frames over which it is smoothed.
        """
        self.item, self._width = item, width
        self._logits: list[Floats] = []
        self._all: Floats | None = None
        self._sliding: Sliding | None = None
        if item.function is not None and item.readout.kind != "linear":
            self._sliding = Sliding(item.function, width=width, pooled=item.readout.kind == "pooled")

    def add(self, output: Output, counted: NDArray[np.bool_] | None) -> None:
        """Add a window's frames; `counted` (T,) says which count, None: all."""
        if self._sliding is not None:
            assert output.frames is not None  # noqa: S101  requested
            self._sliding.add(output.frames, counted)
        elif self.item.function is None:
            self._logits.append(output.frame_logits[self.item.name])
        elif output.frames is not None:
            self._logits.append(self.item.function(output.frames))

    @property
    def logits(self) -> Floats:
        """Of every frame, (T, K): smoothed already if the readout isn't linear."""
        if self._all is None:
            self._all = np.concatenate(self._logits) if self._sliding is None else self._sliding.finish()
            self._logits = []
        return self._all

    def restore(self, logits: Floats) -> None:
        """Take those of another run."""
        self._all = logits

    def finish(self, counted: NDArray[np.bool_] | None) -> tuple[Floats | None, Floats]:
        """The logits of a linear readout, and its scores or values, float32 (T, K) each; NaN where none counts."""
        logits, linear = self.logits, self._sliding is None
        if linear:
            numbers = smooth(logits, self.item.numbers, width=self._width, counted=counted)
        else:
            numbers = self.item.numbers(logits).astype(np.float32)
        if counted is not None:
            numbers[~counted] = np.nan
        return logits if linear else None, numbers

    def describe(self, logits: Floats | None, numbers: Floats) -> FrameReadout:
        """As the result has it."""
        readout = self.item.readout
        return FrameReadout(
            kind=readout.kind,
            labels=list(readout.labels),
            range=readout.range,
            logits=None if self.item.head is not None else logits,
            **{"values" if readout.gives_values else "scores": numbers},
        )


def window_functions(metadata: Metadata, functions: Functions) -> Mapping[str, Callable[..., Floats]]:
    """Those of the readouts that need the frames of a window."""
    kinds = {readout.name: readout.kind for readout in metadata.readouts}
    return {name: function for name, function in functions.items() if kinds[name] == "window"}
