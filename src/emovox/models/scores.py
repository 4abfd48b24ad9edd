"""Scores: from logits, and what makes them valid."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.emotions import NAMES
from emovox.models.readout import Readout

Scores = NDArray[np.float64]
ROUNDING = 0.001  # of a score that another program rounded
SUM_ROUNDING = 0.05  # of the sum of nine that were rounded to two decimals


def to_scores(logits: NDArray[Any], classes: Collection[str], names: Sequence[str] = NAMES) -> Scores:
    """Softmax over some of the classes; the others are masked out and score exactly 0.

    Args:
        logits: (..., names).
        classes: names of the classes that compete, at least one.
        names: of the columns.

    Returns:
        float64, of the logits' shape, summing to 1 along the last axis.
    """
    allowed = np.array([name in classes for name in names])
    masked = np.where(allowed, logits.astype(np.float64), -np.inf)
    raised = np.exp(masked - masked.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


def readout_scores(readout: Readout, logits: NDArray[Any], emotions: Collection[str] | None = None) -> Scores:
    """What a readout's logits come to: scores of its classes, or its values.

    Args:
        readout: softmax: scores sum to 1; sigmoid: each is by itself; none: values as they are.
        logits: (..., K).
        emotions: those of the nine that may win, if not all: classes that are others score 0.

    Returns:
        float64, of the logits' shape.
    """
    if readout.activation == "none":
        return logits.astype(np.float64)
    if readout.activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))))
    if emotions is None or not readout.gives_emotions:
        return to_scores(logits, readout.labels, readout.labels)
    allowed = [label for label in readout.labels if readout.emotions[label] in emotions]
    return to_scores(logits, allowed, readout.labels)


def emotion_scores(readout: Readout, scores: NDArray[Any]) -> Scores:
    """The scores of the nine (..., 9) from those of a readout's own classes (..., K), of one emotion added up.

    Emotions that none of its classes is score 0.
    """
    nine = np.zeros((*scores.shape[:-1], len(NAMES)))
    for column, label in enumerate(readout.labels):
        nine[..., NAMES.index(readout.emotions[label])] += scores[..., column]
    return nine


def check_scores(scores: ArrayLike) -> None:
    """Refuse scores that aren't probabilities, whoever wrote them.

    Args:
        scores: (..., classes).

    Raises:
        ValueError: some aren't between 0 and 1, or don't sum to about 1 along the last axis; all zeros neither,
            since silence is `unknown`.
    """
    rows = np.asarray(scores)
    if not rows.size:
        return
    if not ((rows >= 0) & (rows <= 1 + ROUNDING)).all():
        raise ValueError("scores that aren't all between 0 and 1")
    sums = rows.sum(axis=-1, dtype=np.float64).ravel()
    worst = sums[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > SUM_ROUNDING:
        raise ValueError(f"scores that sum to {worst:.3g} instead of 1")


def certain(name: str) -> Scores:
    """Scores (9,): 1 for one class, 0 for the others."""
    return np.array([float(name == other) for other in NAMES])
