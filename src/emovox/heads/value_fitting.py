"""Fitting of values: from rated embeddings to a head that gives numbers, and how it does on what was held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emovox.errors import LabelsError
from emovox.evaluation.metrics import Interval
from emovox.evaluation.value_metrics import ValueMeasures, bootstrap_values, measure_values
from emovox.heads.fitting import FOLDS, MOST_HELD_OUT, FitProgress, deal_groups
from emovox.heads.linear import Floats, Integers, Linear, ridge

PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
PENALTY = 0.03
"""Where nothing is held out to choose one on."""
LEAST = 5
"""Ratings of a value."""


@dataclass(frozen=True)
class RatedExamples:
    """What a head of values is fitted to.

    Attributes:
        embeddings: float32 (n, D).
        ratings: float64 (n, K); NaN where there is none.
        values: their names, K of them.
        groups: of each, the group that is held out together; None: not known.
        names: of each, as the list has it.
    """

    embeddings: NDArray[np.float32]
    ratings: NDArray[np.float64]
    values: tuple[str, ...]
    groups: Sequence[str] | None
    names: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """Ratings of each value."""
        return dict(zip(self.values, (~np.isnan(self.ratings)).sum(axis=0).tolist(), strict=True))

    def part(self, index: Integers) -> "RatedExamples":
        """Some of them, by their indices."""
        groups = None if self.groups is None else [self.groups[number] for number in index]
        names = [self.names[number] for number in index]
        return RatedExamples(self.embeddings[index], self.ratings[index], self.values, groups, names)


@dataclass(frozen=True)
class ValueFit:
    """A head of values, and how it does.

    Attributes:
        linear: the head.
        penalty: of its weights, the same for all values.
        folds: parts that were held out in turn; 0: too few groups to hold any out.
        held_out: the examples that were held out, m of them.
        predictions: theirs, (m, K), by heads that hadn't seen them or their group.
        measures: of these, by value; empty if nothing was held out.
        intervals: 95 % bootstrap intervals of the figures of each value, whole groups being resampled if they
            are known.
    """

    linear: Linear
    penalty: float
    folds: int
    held_out: RatedExamples
    predictions: NDArray[np.float64]
    measures: Mapping[str, ValueMeasures]
    intervals: Mapping[str, Mapping[str, Interval]]


def check(examples: RatedExamples) -> None:
    """Refuse examples that no head can be fitted to.

    Raises:
        LabelsError: a value has fewer than `LEAST` ratings, or all of them are the same number.
    """
    for number, (name, count) in enumerate(examples.counts.items()):
        if count < LEAST:
            raise LabelsError(f"a value needs {LEAST} ratings or more, better fifty: {name} has {count or 'none'}")
        ratings = examples.ratings[~np.isnan(examples.ratings[:, number]), number]
        if np.ptp(ratings) == 0:
            raise LabelsError(
                f"all {count} ratings of {name} are {ratings[0]:g}: from one number nothing can be learnt; leave "
                f"{name} out, or add recordings that are rated otherwise"
            )


def fit_values(examples: RatedExamples, *, progress: FitProgress = lambda _, __: None, seed: int = 0) -> ValueFit:
    """Fit a head of values by ridge regression, and measure it on what is held out.

    The penalty is the one of `PENALTIES` with the lowest squared error on what is held out, group by group if
    groups are known; each value's error counts by its ratings' variance.

    Args:
        examples: rated embeddings.
        progress: is told how many fits are done, of how many.
        seed: of what is drawn.

    Raises:
        LabelsError: as `check`.
    """
    check(examples)
    rng = np.random.default_rng(seed)
    count = len(examples.names)
    sample = examples
    if count > MOST_HELD_OUT:
        sample = examples.part(np.sort(rng.permutation(count)[:MOST_HELD_OUT]))
    folds = _deal(sample, rng)
    parts = int(folds.max()) + 1 if len(folds) else 0
    predictions = np.full((len(PENALTIES), *sample.ratings.shape), np.nan)
    for fold in range(parts):
        rest, part = folds != fold, folds == fold
        for number in range(len(sample.values)):
            for index, head in enumerate(_fits(sample, number, rest, PENALTIES)):
                predictions[index, part, number] = head.logits(sample.embeddings[part])[:, 0]
        progress(fold + 1, parts + 1)
    penalty = PENALTY
    if parts:
        errors = np.nanmean((predictions - sample.ratings) ** 2, axis=1) / np.nanvar(sample.ratings, axis=0)
        best = int(np.mean(errors, axis=1).argmin())
        penalty, predicted = PENALTIES[best], predictions[best]
    else:
        sample = sample.part(np.zeros(0, np.int64))
        predicted = np.zeros((0, len(sample.values)))
    everything = np.ones(count, np.bool_)
    heads = [_fits(examples, number, everything, (penalty,))[0] for number in range(len(examples.values))]
    progress(parts + 1, parts + 1)
    measures, intervals = {}, {}
    for number, name in enumerate(sample.values if parts else ()):
        rated = ~np.isnan(sample.ratings[:, number])
        pair = predicted[rated, number], sample.ratings[rated, number]
        groups = None if sample.groups is None else [sample.groups[row] for row in np.flatnonzero(rated).tolist()]
        measures[name], intervals[name] = measure_values(*pair), bootstrap_values(*pair, groups)
    linear = Linear(
        np.concatenate([head.weights for head in heads]), np.concatenate([head.bias for head in heads])
    )
    return ValueFit(linear, penalty, parts, sample, predicted, measures, intervals)


def _deal(examples: RatedExamples, rng: np.random.Generator) -> Integers:
    """The fold of each example: whole groups, or recordings at random."""
    if examples.groups is not None:
        return deal_groups(examples.groups)
    count = len(examples.names)
    folds = np.zeros(count, np.int64)
    folds[rng.permutation(count)] = np.arange(count) % FOLDS
    return folds


def _fits(
    examples: RatedExamples, number: int, chosen: NDArray[np.bool_], penalties: Sequence[float]
) -> list[Linear]:
    """Heads of one value, by penalty; where none of the chosen is rated, they give the mean of all others."""
    rated = ~np.isnan(examples.ratings[:, number])
    mask = chosen & rated
    if not mask.any():
        level: Floats = np.array([examples.ratings[rated, number].mean()])
        return [Linear(np.zeros((1, examples.embeddings.shape[1])), level)] * len(penalties)
    return ridge(examples.embeddings[mask], examples.ratings[mask, number], penalties)
