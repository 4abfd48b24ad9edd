"""What is right of clips that count differently, and how sure it is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from emovox.emotions import NAMES

_BINS = 15
_RIGHT = 0.7  # of verdicts that aren't unsure

Floats = NDArray[np.float32]
Labelled = tuple[Floats, NDArray[np.str_], NDArray[np.float64]]
"""Logits (n, 9) before a temperature, labels, weights."""


def stream(labels: NDArray[np.str_], classes: Sequence[str], neutral: float) -> NDArray[np.float64]:
    """Weights of clips, 1 in all, in a stream with this share of neutral and the other classes alike."""
    present = [name for name in classes if (labels == name).any()]
    others = [name for name in present if name != "neutral"]
    shares = {name: (1 - neutral) / len(others) for name in others} | {"neutral": neutral if others else 1.0}
    counts = {name: max(1, int((labels == name).sum())) for name in present}
    weights = np.array([shares.get(name, 0.0) / counts[name] if name in present else 0.0 for name in labels])
    return np.asarray(weights / max(weights.sum(), 1e-12), np.float64)


@dataclass(frozen=True)
class Verdicts:
    """What is right of some clips, how sure it is said, and how much each counts."""

    right: NDArray[np.bool_]
    said: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(
        cls, logits: Floats, labels: NDArray[np.str_], weights: NDArray[np.float64], temperature: float
    ) -> "Verdicts":
        """Of logits before the temperature."""
        scores = softmax(logits / temperature)
        return cls(np.array(NAMES)[scores.argmax(axis=1)] == labels, scores.max(axis=1), weights / weights.sum())

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return float(self.weights @ self.right)

    @property
    def over(self) -> float:
        """Said minus right."""
        return float(self.weights @ (self.said - self.right))

    @property
    def calibration_error(self) -> float:
        """Mean distance of said and right, over bins of what is said."""
        bins = np.minimum((self.said * _BINS).astype(int), _BINS - 1)
        gaps = self.weights * (self.said - self.right)
        return float(sum(abs(gaps[bins == number].sum()) for number in range(_BINS)))

    def threshold(self, right: float = _RIGHT) -> float | None:
        """The least threshold such that of the clips at or above it so many are right."""
        order = np.argsort(-self.said, kind="stable")
        weights = self.weights[order]
        shares = np.cumsum(weights * self.right[order]) / np.maximum(np.cumsum(weights), 1e-12)
        good = np.flatnonzero(shares >= right)
        return float(self.said[order][good[-1]]) if len(good) else None

    def above(self, threshold: float) -> tuple[float, float]:
        """Share of the clips at or above a threshold, and what share of these is right."""
        chosen = self.said >= threshold
        covered = float(self.weights[chosen].sum())
        return covered, float(self.weights[chosen] @ self.right[chosen]) / max(covered, 1e-12)


def softmax(logits: Floats) -> NDArray[np.float64]:
    """(n, 9)."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return result


def temperature_of(parts: Sequence[Labelled]) -> float:
    """The temperature with which what is said is as much as what is right, by the likelihood of the labels."""

    def loss(log: float) -> float:
        total = 0.0
        for logits, labels, weights in parts:
            scores = softmax(logits / np.exp(log))
            own = scores[np.arange(len(labels)), [NAMES.index(name) for name in labels]]
            total -= float(weights @ np.log(np.maximum(own, 1e-9)))
        return total

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2.5), method="bounded").x))
