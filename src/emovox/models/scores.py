"""Scores: how they come of logits, and what are none."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emovox.emotions import NAMES

Scores = NDArray[np.float64]
ROUNDING = 0.001  # of a score that another program rounded
SUM_ROUNDING = 0.05  # of the sum of nine that were rounded to two decimals


def to_scores(logits: NDArray[Any], classes: Collection[str], names: Sequence[str] = NAMES) -> Scores:
    """Softmax over some of the classes; the others are masked before it and score exactly 0.

    Args:
        logits: (..., 9), or as many columns as there are `names`.
        classes: names of the classes that may win, at least one.
        names: of the columns.

    Returns:
        float64, of the logits' shape, summing to 1 along the last axis.
    """
    allowed = np.array([name in classes for name in names])
    masked = np.where(allowed, logits.astype(np.float64), -np.inf)
    raised = np.exp(masked - masked.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)


def check_scores(scores: ArrayLike) -> None:
    """Refuse what are no probabilities, whoever wrote them.

    Args:
        scores: (..., classes).

    Raises:
        ValueError: some aren't from 0 to 1, or don't sum to about 1 along the last axis; silence is `unknown`, and
            not all zero.
    """
    rows = np.asarray(scores)
    if not rows.size:
        return
    if not ((rows >= 0) & (rows <= 1 + ROUNDING)).all():
        raise ValueError("scores that are no numbers from 0 to 1")
    sums = rows.sum(axis=-1, dtype=np.float64).ravel()
    worst = sums[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > SUM_ROUNDING:
        raise ValueError(f"scores whose sum is {worst:.3g}, and not about 1")


def certain(name: str) -> Scores:
    """Scores (9,) that give one class everything."""
    return np.array([float(name == other) for other in NAMES])
