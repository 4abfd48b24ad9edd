"""How well scores meet labels, and how much a confidence is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from emovox.emotions import NAMES
from emovox.models.scores import to_scores

BINS = 15

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Bin:
    """Clips whose confidence lies in one of `BINS` equal parts of 0 to 1: how many, and their means."""

    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Measures:
    """How well scores meet labels.

    Attributes:
        classes: those that occur among the labels, in the order of the nine.
        confusion: clips of a class (rows) heard as a class (columns): (9, 9).
        confidence: mean highest score.
        reliability: the bins of confidence that hold a clip.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    confidence: float
    reliability: tuple[Bin, ...]

    @property
    def recalls(self) -> dict[str, float]:
        """The share of each class that was heard as such."""
        rows = {name: self.confusion[NAMES.index(name)] for name in self.classes}
        return {name: float(row[NAMES.index(name)] / row.sum()) for name, row in rows.items()}

    @property
    def unweighted(self) -> float:
        """Mean recall of the classes."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def weighted(self) -> float:
        """The share of clips that were heard right."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def macro_f1(self) -> float:
        """Mean over the classes of 2 · right / (clips of the class + clips heard as it)."""
        index = [NAMES.index(name) for name in self.classes]
        right = np.diag(self.confusion)[index]
        return float(np.mean(2 * right / (self.confusion.sum(axis=1) + self.confusion.sum(axis=0))[index]))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance between confidence and accuracy over the bins, by clips."""
        total = sum(part.clips for part in self.reliability)
        return sum(part.clips * abs(part.confidence - part.accuracy) for part in self.reliability) / total

    def to_dict(self) -> dict[str, Any]:
        """As JSON; the confusion matrix in the order of the nine."""
        return {
            "clips": int(self.confusion.sum()),
            "classes": list(self.classes),
            "unweighted": round(self.unweighted, 4),
            "weighted": round(self.weighted, 4),
            "macro_f1": round(self.macro_f1, 4),
            "confidence": round(self.confidence, 4),
            "calibration_error": round(self.calibration_error, 4),
            "recalls": {name: round(recall, 4) for name, recall in self.recalls.items()},
            "reliability": [
                [part.clips, round(part.confidence, 4), round(part.accuracy, 4)] for part in self.reliability
            ],
            "confusion": self.confusion.tolist(),
        }


def measure(scores: Floats, labels: Sequence[str]) -> Measures:
    """Compare scores (clips, 9) with labels."""
    truth = np.array([NAMES.index(label) for label in labels])
    heard, confidences = scores.argmax(axis=1), scores.max(axis=1)
    confusion = np.zeros((len(NAMES), len(NAMES)), np.int64)
    np.add.at(confusion, (truth, heard), 1)
    place = np.minimum((confidences * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(int(own.sum()), float(confidences[own].mean()), float((heard == truth)[own].mean()))
        for own in (place == number for number in range(BINS))
        if own.any()
    )
    classes = tuple(name for name in NAMES if name in set(labels))
    return Measures(classes, confusion, float(confidences.mean()), bins)


def measure_logits(
    logits: Floats, labels: Sequence[str], classes: Sequence[str], temperature: float = 1
) -> Measures:
    """Compare the scores of logits (clips, 9), among some classes, with labels."""
    return measure(to_scores(logits / temperature, classes), labels)


def fit_temperature(parts: Sequence[tuple[Floats, Sequence[str]]], classes: Sequence[str]) -> float:
    """What logits are to be divided by for the lowest log loss: its mean over parts that count the same.

    Args:
        parts: logits (clips, 9) and labels of each corpus.
        classes: those that compete.
    """

    def loss(logarithm: float) -> float:
        losses = []
        for logits, labels in parts:
            scores = to_scores(logits / np.exp(logarithm), classes)
            right = scores[np.arange(len(labels)), [NAMES.index(label) for label in labels]]
            losses.append(-np.log(np.maximum(right, 1e-9)).mean())
        return float(np.mean(losses))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
