"""A result as it would be without its baseline, for what compares recordings of many voices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.inference.frames import Frames
from emovox.inference.recognition import ReadoutResult, Recognition, Segment

Whole = TypeVar("Whole", Recognition, Segment)

WITHOUT = "_without"
"""Follows the name of a column of scores in tables: the column of what they would be without the baseline."""


def without_baseline(recognition: Recognition) -> Recognition:
    """The same with the scores that it would have without its baseline; its frames stay as they are."""
    if recognition.baseline is None:
        return recognition
    segments = recognition.segments and [raw(item) for item in recognition.segments]
    return raw(recognition).model_copy(update={"baseline": None, "segments": segments})


def raw(item: Whole) -> Whole:
    """A recording or a segment likewise, without a look at its other parts."""
    readouts = {name: _readout(result) for name, result in item.readouts.items()}
    if item.scores_without is None:
        return item.model_copy(update={"readouts": readouts})
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"emotion": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return item.model_copy(update={**facts, "scores_without": None, "readouts": readouts})


def _readout(item: ReadoutResult) -> ReadoutResult:
    if item.scores_without is None:
        return item
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"label": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return item.model_copy(update={**facts, "scores_without": None})


@dataclass(frozen=True)
class Moved:
    """The readout that a baseline moved, for the scores of frames.

    Attributes:
        readout: its name.
        shift: what was added to its logits, by label.
        emotions: which of the nine each label is.
    """

    readout: str
    shift: Mapping[str, float]
    emotions: Mapping[str, str]

    @classmethod
    def of(cls, recognition: Recognition) -> "Moved | None":
        """As a recognition says; None: it has no baseline."""
        if recognition.baseline is None:
            return None
        [(readout, shift)] = recognition.baseline.shift.items()
        return cls(readout, shift, recognition.model.emotions or {name: name for name in NAMES})

    def without(self, scores: NDArray[np.floating], labels: list[str]) -> NDArray[np.float32]:
        """Scores (n, K) as they would be without the baseline, up to rounding.

        Of a frame they are those of the mean logits around it, to which the shift was added.
        """
        shift = np.array([self.shift.get(label, 0.0) for label in labels])
        weights = scores.astype(np.float64) * np.exp(shift.min() - shift)
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True), np.float32)

    def nine(self, scores: NDArray[np.floating], labels: list[str]) -> NDArray[np.float32]:
        """The scores of the nine (n, 9) from those of the readout (n, K)."""
        nine = np.zeros((len(scores), len(NAMES)), np.float32)
        for column, label in enumerate(labels):
            nine[:, NAMES.index(self.emotions[label])] += scores[:, column]
        return nine


def curves_without(frames: Frames, moved: Moved) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Scores of frames as they would be without the baseline: of the nine, and of the readout's own classes."""
    curve = frames.readouts.get(moved.readout)
    if curve is None or curve.scores is None:
        assert frames.scores is not None  # noqa: S101  the readout is the nine
        return moved.without(frames.scores, list(NAMES)), None
    own = moved.without(curve.scores, curve.labels)
    nine = moved.nine(own, curve.labels)
    if frames.scores is not None:  # where no frame counts, nothing was moved
        nine = np.where(np.isnan(own).any(axis=1, keepdims=True), frames.scores, nine)
    return nine, own
