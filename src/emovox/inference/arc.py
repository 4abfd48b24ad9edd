"""The arc: where in a recording another class takes the lead, for long enough to be worth telling."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

GAIN = 2.0
"""Seconds of speech that a change must be worth: what the new class scores more than the old one, added up."""
MOST = 6
"""Parts that people can follow; where there are more, a change must be worth twice as much, and so on."""

Numbers = NDArray[np.float64]


def parts(seconds: Numbers, scores: Numbers) -> list[slice]:
    """Cut segments into the parts of an arc.

    Of all ways to name a class for each segment the one is taken in which the named classes have the most score, a
    second counting as a second, less `GAIN` for every change (Viterbi, 1967). So a short segment between others
    changes nothing, however sure it is: it would have to be worth two changes, there and back.

    Args:
        seconds: (n,), of each segment; at least one.
        scores: (n, K), of the classes in it.

    Returns:
        Slices of the segments, in order, `MOST` at most.
    """
    worth, price = seconds[:, np.newaxis] * scores, GAIN
    while True:
        classes = _path(worth, price)
        edges = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist(), len(classes)]
        if len(edges) - 1 <= MOST:
            return [slice(first, last) for first, last in pairwise(edges)]
        price *= 2


def _path(worth: Numbers, price: float) -> NDArray[np.intp]:
    """The class of each segment (n,) by which `worth` (n, K) adds up to most, less the price of each change."""
    count, width = worth.shape
    stay = np.arange(width)
    before = np.empty((count, width), np.intp)  # the class that each came from
    total = worth[0]
    for row in range(1, count):
        leader = int(total.argmax())
        change = total[leader] - price
        before[row] = np.where(total < change, leader, stay)
        total = np.maximum(total, change) + worth[row]
    path = np.empty(count, np.intp)
    path[-1] = total.argmax()
    for row in range(count - 1, 0, -1):
        path[row - 1] = before[row, path[row]]
    return path
