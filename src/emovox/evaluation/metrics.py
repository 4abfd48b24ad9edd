"""Metrics: how well scores agree with labels, and how far a confidence can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.models.scores import to_scores

BINS = 15
STEPS = 10  # of coverage
DRAWS = 2000  # of the bootstrap

Floats = NDArray[np.floating[Any]]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Bin:
    """The clips whose confidence lies in one of `BINS` equal parts of 0 to 1: how many, and their means."""

    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Coverage:
    """The clips of at least some confidence: their share of all clips, and how many of them are right."""

    share: float
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of the figures.

    Attributes:
        whole: of `unweighted`, `weighted` and `macro_f1`.
        recalls: of each class's recall.
        f1s: of each class's F1.
    """

    whole: Mapping[str, Interval]
    recalls: Mapping[str, Interval]
    f1s: Mapping[str, Interval]


@dataclass(frozen=True)
class Measures:
    """How well scores agree with labels.

    Attributes:
        names: of the rows and columns of the confusion matrix, C of them.
        classes: those that occur among the labels, in the order of `names`.
        confusion: clips of a class (rows) recognised as a class (columns): (C, C).
        failed: clips of a class that could not be recognised: (C,). They count as wrong.
        confidence: mean highest score.
        reliability: the bins of confidence that aren't empty.
        coverage: the surest tenth, two tenths, … of the clips; the most, all that were recognised, come last.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    failed: NDArray[np.int64]
    confidence: float
    reliability: tuple[Bin, ...]
    coverage: tuple[Coverage, ...]

    @property
    def recalls(self) -> dict[str, float]:
        """The share of each class that was recognised as such."""
        index = self._index
        shares = np.diag(self.confusion)[index] / (self.confusion.sum(axis=1) + self.failed)[index]
        return dict(zip(self.classes, shares.tolist(), strict=True))

    @property
    def f1s(self) -> dict[str, float]:
        """Of each class, 2 · right / (clips of the class + clips recognised as it)."""
        right, rows = np.diag(self.confusion), self.confusion.sum(axis=1) + self.failed
        values = (2 * right / np.maximum(rows + self.confusion.sum(axis=0), 1))[self._index]
        return dict(zip(self.classes, values.tolist(), strict=True))

    @property
    def clips(self) -> int:
        """How many there are, including those that could not be recognised."""
        return int(self.confusion.sum() + self.failed.sum())

    @property
    def unweighted(self) -> float:
        """Mean recall of the classes."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def weighted(self) -> float:
        """The share of clips that were recognised right."""
        return float(np.trace(self.confusion) / self.clips)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes."""
        return float(np.mean(list(self.f1s.values())))

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance between confidence and accuracy over the bins, by clips."""
        total = sum(part.clips for part in self.reliability)
        return sum(part.clips * abs(part.confidence - part.accuracy) for part in self.reliability) / max(1, total)

    @property
    def _index(self) -> list[int]:
        return [self.names.index(name) for name in self.classes]

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `confusion` and `not_recognised` are in the order of `names`."""
        return {
            "clips": self.clips,
            "classes": list(self.classes),
            "unweighted": round(self.unweighted, 4),
            "weighted": round(self.weighted, 4),
            "macro_f1": round(self.macro_f1, 4),
            "confidence": round(self.confidence, 4),
            "calibration_error": round(self.calibration_error, 4),
            "recalls": {name: round(recall, 4) for name, recall in self.recalls.items()},
            "f1s": {name: round(value, 4) for name, value in self.f1s.items()},
            "reliability": [
                [part.clips, round(part.confidence, 4), round(part.accuracy, 4)] for part in self.reliability
            ],
            "coverage": [
                [round(part.share, 4), round(part.confidence, 4), round(part.accuracy, 4)]
                for part in self.coverage
            ],
            "confusion": self.confusion.tolist(),
            "not_recognised": self.failed.tolist(),
        }


def measure(
    scores: Floats, labels: Sequence[str], *, names: Sequence[str] = NAMES, failed: Sequence[str] = ()
) -> Measures:
    """Compare scores (clips, classes) with labels.

    Args:
        scores: of the clips that were recognised.
        labels: of these clips, each among the names.
        names: of the columns.
        failed: labels of clips that could not be recognised.
    """
    size, columns = len(names), {name: column for column, name in enumerate(names)}
    truth = np.array([columns[label] for label in labels], np.int64)
    predictions, confidences = scores.argmax(axis=1), scores.max(axis=1, initial=0)
    confusion = np.zeros((size, size), np.int64)
    np.add.at(confusion, (truth, predictions), 1)
    failures = np.bincount([columns[label] for label in failed], minlength=size).astype(np.int64)
    bin_numbers = np.minimum((confidences * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(int(own.sum()), float(confidences[own].mean()), float((predictions == truth)[own].mean()))
        for own in (bin_numbers == number for number in range(BINS))
        if own.any()
    )
    classes = tuple(name for name in names if name in {*labels, *failed})
    confidence = float(confidences.mean()) if len(confidences) else 0.0
    coverage = _coverage(confidences, predictions == truth, len(failed))
    return Measures(tuple(names), classes, confusion, failures, confidence, bins, coverage)


def _coverage(confidences: Floats, right: NDArray[np.bool_], failed: int) -> tuple[Coverage, ...]:
    """Of clips that were recognised; those that weren't are never covered. Equal confidences stay together."""
    count = len(confidences)
    order = np.sort(confidences)[::-1]
    least = sorted(
        {float(order[-(-count * tenth // STEPS) - 1]) for tenth in range(1, STEPS + 1)} if count else ()
    )
    pairs = [(confidence, confidences >= confidence) for confidence in reversed(least)]
    return tuple(
        Coverage(float(own.sum() / (count + failed)), confidence, float(right[own].mean()))
        for confidence, own in pairs
    )


def measure_logits(
    logits: Floats, labels: Sequence[str], classes: Sequence[str], temperature: float = 1
) -> Measures:
    """Compare the scores of logits (clips, 9), among some of the classes, with labels."""
    return measure(to_scores(logits / temperature, classes), labels)


def bootstrap(
    measures: Measures, groups: Sequence[Measures] = (), *, draws: int = DRAWS, seed: int = 0
) -> Intervals:
    """95 % intervals of the figures by the bootstrap.

    Whole groups are resampled if there are two or more: clips of one speaker are alike, so resampling clips alone
    would make the intervals too narrow.

    Args:
        measures: of all clips.
        groups: the same of each group, with the same names.
        draws: how many times.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    size = len(measures.names)
    if len(groups) > 1:
        cells = np.stack([np.column_stack([group.confusion, group.failed]).ravel() for group in groups])
        samples = rng.multinomial(len(groups), [1 / len(groups)] * len(groups), draws) @ cells
    else:  # resampling clips is resampling the cells they fall into
        cells = np.column_stack([measures.confusion, measures.failed]).ravel()
        samples = rng.multinomial(cells.sum(), cells / cells.sum(), draws)
    tables = samples.reshape(draws, size, size + 1)
    right, rows = np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=2)
    columns = tables[:, :, :size].sum(axis=1)
    present = rows > 0  # a draw may lack a class
    recalls = np.where(present, right / np.maximum(rows, 1), np.nan)
    f1s = np.where(present, 2 * right / np.maximum(rows + columns, 1), np.nan)
    figures = {
        "unweighted": np.nanmean(recalls, axis=1),
        "weighted": right.sum(axis=1) / rows.sum(axis=1),
        "macro_f1": np.nanmean(f1s, axis=1),
    }
    classes = [(name, measures.names.index(name)) for name in measures.classes]
    return Intervals(
        {name: _middle(values) for name, values in figures.items()},
        {name: _middle(recalls[:, index]) for name, index in classes},
        {name: _middle(f1s[:, index]) for name, index in classes},
    )


def wilson(right: int, count: int) -> Interval:
    """95 % interval of a share by Wilson's score (1927): not a single point when all of a few are right.

    Args:
        right: how many are.
        count: of how many, at least 1.
    """
    z = 1.959964
    share, weight = right / count, z * z / count
    middle = (share + weight / 2) / (1 + weight)
    width = z * (share * (1 - share) / count + weight / (4 * count)) ** 0.5 / (1 + weight)
    return round(max(0.0, middle - width), 4), round(min(1.0, middle + width), 4)


def fit_temperature(
    parts: Sequence[tuple[Floats, Sequence[str]]],
    classes: Sequence[str],
    names: Sequence[str] = NAMES,
    *,
    doubt: float = 0.0,
) -> float:
    """The temperature to divide logits by for the lowest log loss, on average over parts that count the same.

    Args:
        parts: logits (clips, names) and labels of each part.
        classes: those that compete.
        names: of the columns.
        doubt: clips that are added to each part with all classes equally likely. Without them a few clips that are
            all right would make every confidence 100 %; likewise Platt (1999) smoothed his targets.
    """
    columns = [names.index(name) for name in classes]
    right = [(np.arange(len(labels)), [names.index(label) for label in labels]) for _, labels in parts]

    def loss(logarithm: float) -> float:
        losses = []
        for (logits, _), index in zip(parts, right, strict=True):
            lost = -np.log(np.maximum(to_scores(logits / np.exp(logarithm), classes, names), 1e-9))
            losses.append((len(lost) * lost[index].mean() + doubt * lost[:, columns].mean()) / (len(lost) + doubt))
        return float(np.mean(losses))

    return float(np.exp(_lowest(loss, -5, 5)))


def by_group(groups: Mapping[str, Measures]) -> dict[str, dict[str, int | float]]:
    """Of each group: its clips, and the figures that are meaningful for a few of them."""
    return {
        value: {
            "clips": measures.clips,
            "unweighted": round(measures.unweighted, 4),
            "weighted": round(measures.weighted, 4),
            "macro_f1": round(measures.macro_f1, 4),
        }
        for value, measures in groups.items()
    }


def _middle(values: Floats) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5]).tolist()
    return round(low, 4), round(high, 4)


def _lowest(function: Any, low: float, high: float) -> float:
    """Where a unimodal function is lowest, by golden-section search, to 1e-4."""
    ratio = (5**0.5 - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2
