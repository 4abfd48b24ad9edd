"""Streams: how much of what is heard is which emotion, recordings drawn so, and figures of what is heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES

_BINS = 15
_LEFT = 20  # recordings of a class, at least, that a baseline leaves to be heard

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """Shares of emotions; those that aren't said share the rest alike.

    Attributes:
        name: of the stream.
        said: shares by emotion.
    """

    name: str
    said: Mapping[str, float]

    def shares(self, classes: Sequence[str]) -> dict[str, float]:
        """Of all of these."""
        rest = [name for name in classes if name not in self.said]
        return {
            name: self.said[name] if name in self.said else (1 - sum(self.said.values())) / len(rest)
            for name in classes
        }

    def draw(self, labels: NDArray[np.str_], classes: Sequence[str], count: int, seed: int) -> Rows:
        """So many recordings with these shares, none twice; fewer where a class hasn't enough."""
        rng = np.random.default_rng([seed, count])
        exact = count * np.array(list(self.shares(classes).values()))
        counts = np.floor(exact + 1e-9).astype(int)
        order = np.argsort(counts - exact + 1e-6 * rng.random(len(exact)))  # the largest remainders first
        counts[order[: count - counts.sum()]] += 1
        rows = [
            rng.permutation(np.flatnonzero(labels == name))[: -_LEFT or None][:wanted]
            for name, wanted in zip(classes, counts, strict=True)
        ]
        return np.concatenate(rows).astype(np.int64)

    def largest(self, labels: NDArray[np.str_], classes: Sequence[str]) -> int:
        """Recordings that there are with these shares."""
        shares = self.shares(classes)
        return int(min((np.sum(labels == name) - _LEFT) / shares[name] for name in classes if shares[name]))


STREAMS = (
    Stream("one sixth neutral", {"neutral": 1 / 6}),
    Stream("half", {"neutral": 0.5}),
    Stream("four fifths", {"neutral": 0.8}),
    Stream("all", {"neutral": 1.0}),
    Stream("mostly angry", {"neutral": 0.15, "angry": 0.7}),
)


@dataclass(frozen=True)
class Figures:
    """What is right among the recordings that were heard.

    Attributes:
        recall: unweighted, of all classes, whether the stream has them or not.
        neutral: recall of neutral.
        accuracy: share of the stream.
        macro_f1: of the classes that the stream has.
        calibration: expected calibration error in the stream.
        recalls: by class.
    """

    recall: float
    neutral: float
    accuracy: float
    macro_f1: float
    calibration: float
    recalls: dict[str, float]


def figures(logits: Floats, labels: NDArray[np.str_], classes: Sequence[str], stream: Stream) -> Figures:
    """Of recordings with these logits (n, 9), each class counting as much as the stream has of it."""
    truth = np.array([NAMES.index(name) for name in labels])
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = raised / raised.sum(axis=1, keepdims=True)
    winners, confidences = scores.argmax(axis=1), scores.max(axis=1)
    hits = winners == truth
    recalls = {name: float(hits[labels == name].mean()) for name in classes}
    weights = np.zeros(len(labels))
    for name, share in stream.shares(classes).items():
        weights[labels == name] = share / np.sum(labels == name)
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, weights * (confidences - hits), _BINS)
    right = np.bincount(truth, weights * hits, len(NAMES))
    both = np.bincount(truth, weights, len(NAMES)) + np.bincount(winners, weights, len(NAMES))
    heard = np.unique(truth[weights > 0])
    return Figures(
        float(np.mean(list(recalls.values()))),
        recalls["neutral"],
        float(np.sum(weights * hits)),
        float(np.mean(2 * right[heard] / both[heard])),
        float(np.abs(gaps).sum()),
        recalls,
    )
