"""Smoothing: from the logits of frames to the curve, scores over time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.models.scores import to_scores

SMOOTHING = 1.0  # seconds, by default: about as long as it takes to recognise a feeling
_AT_ONCE = 20_000  # frames, so that hours of them need no second copy in float64


def smooth(
    logits: NDArray[np.float32],
    classes: Sequence[str],
    *,
    width: float,
    names: Sequence[str] = NAMES,
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Scores of every frame: the softmax of the mean logits of the frames around it.

    A row is computed like a verdict, over a second instead of the recording: with width 0 it is the softmax of its
    own logits, and if the width covers the whole recording it is the verdict.

    Args:
        logits: float32 (T, 9), or as many columns as there are `names`.
        classes: those that may win; the others get 0.
        width: frames that are averaged; fewer at the ends.
        names: of the columns.
        counted: (T,), whether a frame counts; by default all do. In the rows of the others, all classes that may
            win are equal.

    Returns:
        float32, of the logits' shape, each row summing to 1.
    """
    count = len(logits)
    counted = np.ones(count, np.bool_) if counted is None else counted
    half = int(min(width // 2, count))
    scores = np.empty(logits.shape, np.float32)
    for first in range(0, count, _AT_ONCE):
        last = min(first + _AT_ONCE, count)
        begin, end = max(0, first - half), min(count, last + half)
        some = counted[begin:end]
        rows = np.cumsum(np.where(some[:, np.newaxis], logits[begin:end], 0), 0, np.float64)
        sums = np.concatenate([np.zeros((1, logits.shape[1])), rows])
        counts = np.concatenate([[0], np.cumsum(some)])
        frames = np.arange(first, last)
        low, high = np.maximum(frames - half, 0), np.minimum(frames + half + 1, count)
        number = np.maximum(counts[high - begin] - counts[low - begin], 1)
        means = (sums[high - begin] - sums[low - begin]) / number[:, np.newaxis]
        means[~counted[first:last]] = 0
        scores[first:last] = to_scores(means, classes, names)
    return scores
