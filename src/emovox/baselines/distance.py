"""The distance of a recording from what a baseline was made of: whether the baseline fits it."""

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.baseline import Baseline

FAR = 2.0
"""Distance beyond which a baseline is said not to fit."""
LEAST = 20
"""Recordings that a spread is worth something from."""


def distance(baseline: Baseline, embedding: NDArray[np.floating]) -> float | None:
    """How far an embedding (D,) lies from a baseline's mean, in deviations of its own recordings.

    The root of the mean square over all dimensions: about 1 for one more recording of the same kind.

    Returns:
        None if it has too few recordings to know their spread.
    """
    count = baseline.count
    if count < LEAST:
        return None
    variance = (baseline.squares / count - np.square(baseline.mean)) * count / (count - 1)
    usable = variance > 0
    if not usable.any():
        return None
    squares = np.square(embedding.astype(np.float64) - baseline.mean)[usable] / variance[usable]
    return float(np.sqrt(squares.mean() / (1 + 1 / count)))


def is_far(baseline: Baseline, embedding: NDArray[np.floating]) -> bool:
    """Whether a recording's embedding (D,) lies farther from a baseline than its own recordings do."""
    value = distance(baseline, embedding)
    return value is not None and value > FAR
