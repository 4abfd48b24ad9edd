"""From logits to scores."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES

Scores = NDArray[np.float64]


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


def certain(name: str) -> Scores:
    """Scores (9,) that give one class everything."""
    return np.array([float(name == other) for other in NAMES])
