"""Smoothing: curves over time, from the logits of frames, or from frames by a readout that isn't linear."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SMOOTHING = 1.0  # seconds, by default: about as long as it takes to recognise a feeling
_AT_ONCE = 20_000  # frames, so that hours of them need no second copy in float64
_STRETCHES = 16  # of frames that a readout of a window gets at once


def smooth(
    logits: Floats,
    numbers: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    width: float,
    counted: NDArray[np.bool_] | None = None,
) -> Floats:
    """Scores of every frame: those of the mean logits of the frames around it.

    A row is computed like a verdict, over a second instead of the recording: with width 0 it is the softmax of its
    own logits, and if the width covers the whole recording it is the verdict.

    Args:
        logits: float32 (T, K).
        numbers: from logits (n, K) to scores or values, (n, K).
        width: frames that are averaged; fewer at the ends.
        counted: (T,), whether a frame counts; by default all do. The rows of the others are those of zeros.

    Returns:
        float32, of the logits' shape.
    """
    count = len(logits)
    counted = np.ones(count, np.bool_) if counted is None else counted
    half = int(min(width // 2, count))
    scores = np.empty(logits.shape, np.float32)
    for first in range(0, count, _AT_ONCE):
        last = min(first + _AT_ONCE, count)
        begin, end = max(0, first - half), min(count, last + half)
        means = _means(logits[begin:end], counted[begin:end], first - begin, last - begin, half)
        scores[first:last] = numbers(means)
    return scores


def _means(rows: Floats, counted: NDArray[np.bool_], first: int, last: int, half: int) -> NDArray[np.float64]:
    """Means of the rows that count within `half` of each from `first` to `last`; zeros for those that don't."""
    sums = np.cumsum(np.where(counted[:, np.newaxis], rows, 0), 0, np.float64)
    sums = np.concatenate([np.zeros((1, rows.shape[1])), sums])
    counts = np.concatenate([[0], np.cumsum(counted)])
    centres = np.arange(first, last)
    low, high = np.maximum(centres - half, 0), np.minimum(centres + half + 1, len(rows))
    means = (sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1)[:, np.newaxis]
    means[~counted[first:last]] = 0
    return np.asarray(means)


class Sliding:
    """The logits of a readout that isn't linear in a window that slides over the frames, one step a frame.

    Frames are added as they come, and no more of them are kept than the window is wide.
    """

    def __init__(self, function: Callable[..., Floats], *, width: float, pooled: bool) -> None:
        """Begin.

        Args:
            function: of means (n, D) if `pooled`, or of frames (n, T, D) and their counts (n,), to logits (n, K).
            width: frames of the window; fewer at the ends; 0: a single one.
            pooled: which of the two.
        """
        self._function, self._pooled = function, pooled
        self._half = int(width // 2)
        self._frames: Floats | None = None  # from the first that a window still needs
        self._counted = np.empty(0, np.bool_)
        self._next = 0  # the centre that comes next, among those
        self._logits: list[Floats] = []

    def add(self, frames: Floats, counted: NDArray[np.bool_] | None = None) -> None:
        """Add frames (n, D), and whether each counts, by default all."""
        if counted is None:
            counted = np.ones(len(frames), np.bool_)
        self._frames = frames if self._frames is None else np.concatenate([self._frames, frames])
        self._counted = np.concatenate([self._counted, counted])
        self._emit(len(self._frames) - self._half)
        surplus = self._next - self._half
        if surplus > 0:
            self._frames, self._counted = self._frames[surplus:].copy(), self._counted[surplus:]
            self._next -= surplus

    def finish(self) -> Floats:
        """The logits of every frame, float32 (T, K); those of a frame that doesn't count mean nothing."""
        self._emit(0 if self._frames is None else len(self._frames))
        return np.concatenate(self._logits) if self._logits else np.empty((0, 0), np.float32)

    def _emit(self, stop: int) -> None:
        if self._frames is None or stop <= self._next:
            return
        if self._pooled:
            means = _means(self._frames, self._counted, self._next, stop, self._half)
            self._logits.append(self._function(means.astype(np.float32)))
        else:
            for first in range(self._next, stop, _STRETCHES):
                self._logits.append(self._of_stretches(range(first, min(first + _STRETCHES, stop))))
        self._next = stop

    def _of_stretches(self, centres: range) -> Floats:
        assert self._frames is not None  # noqa: S101  there are some to emit
        stretches = []
        for centre in centres:
            around = slice(max(0, centre - self._half), centre + self._half + 1)
            counting = self._counted[around] if self._counted[centre] else slice(None, 1)
            stretches.append(self._frames[around][counting])
        counts = np.array([len(stretch) for stretch in stretches])
        frames = np.zeros((len(stretches), counts.max(), self._frames.shape[1]), np.float32)
        for row, stretch in zip(frames, stretches, strict=True):
            row[: len(stretch)] = stretch
        return self._function(frames, counts)
