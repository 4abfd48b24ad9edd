"""The curve: from the logits of frames to smoothed scores over time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.models.scores import to_scores

SMOOTHING = 1.0  # seconds, by default: about as long as it takes to hear a feeling
_TOGETHER = 20_000  # frames, so that hours of them need no second copy in float64


def smooth(
    logits: NDArray[np.float32], classes: Sequence[str], *, width: float, names: Sequence[str] = NAMES
) -> NDArray[np.float32]:
    """Scores of every frame: the softmax of the mean logits of the frames around it.

    It is how a verdict comes about, over a second instead of the recording: with width 0 a row is the softmax of
    its own logits; where the width reaches over the whole recording, it is the verdict.

    Args:
        logits: float32 (T, 9), or as many columns as there are `names`.
        classes: those that may win; the others get 0.
        width: frames that are averaged; at the ends those that there are.
        names: of the columns.

    Returns:
        float32, of the logits' shape, each row summing to 1.
    """
    count = len(logits)
    half = int(min(width // 2, count))
    scores = np.empty(logits.shape, np.float32)
    for first in range(0, count, _TOGETHER):
        last = min(first + _TOGETHER, count)
        begin, end = max(0, first - half), min(count, last + half)
        sums = np.concatenate([np.zeros((1, logits.shape[1])), np.cumsum(logits[begin:end], 0, np.float64)])
        frames = np.arange(first, last)
        low, high = np.maximum(frames - half, 0), np.minimum(frames + half + 1, count)
        means = (sums[high - begin] - sums[low - begin]) / (high - low)[:, np.newaxis]
        scores[first:last] = to_scores(means, classes, names)
    return scores
