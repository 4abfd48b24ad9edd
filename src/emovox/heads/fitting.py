"""Fitting: from labelled embeddings to a head, and how it does on those that were held out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emovox.errors import LabelsError
from emovox.evaluation.metrics import Measures, fit_temperature, measure
from emovox.heads.linear import PENALTY, Fit, Floats, Integers, Linear, logistic, prototypes
from emovox.models.scores import to_scores

FOLDS = 5
PENALTIES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
FEW = 20  # examples of the rarest class; with fewer the usual penalty does better than one chosen on them
DOUBT = 1.0  # examples of each class that the temperature counts as any class: a few that are right prove little
MOST_HELD_OUT = 20_000  # examples that are held out in turn; the head itself is fitted to all
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Examples of a class at which the learning curve is measured."""
_DRAWS = 5  # at a size of the curve, up to _OFTEN examples; fewer vary less and cost more
_OFTEN = 20

Method = Literal["auto", "prototypes", "logistic"]
FitProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Examples:
    """What a head is fitted to.

    Attributes:
        embeddings: float32 (n, D).
        labels: index of each one's class, (n,).
        classes: their names, in order.
        groups: of each, the group that is held out together; None: not known.
        names: of each, as the list has it.
    """

    embeddings: NDArray[np.float32]
    labels: Integers
    classes: tuple[str, ...]
    groups: Sequence[str] | None
    names: Sequence[str]

    def part(self, selection: Integers | NDArray[np.bool_]) -> "Examples":
        """Some of them, by their indices or a mask."""
        index = np.arange(len(self.labels))[selection]
        groups = None if self.groups is None else [self.groups[number] for number in index]
        names = [self.names[number] for number in index]
        return Examples(self.embeddings[index], self.labels[index], self.classes, groups, names)

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each class."""
        return dict(zip(self.classes, np.bincount(self.labels, minlength=len(self.classes)).tolist(), strict=True))


@dataclass(frozen=True)
class FitResult:
    """A head, and how it does.

    Attributes:
        linear: the head, divided by its temperature.
        method: `prototypes` or `logistic`.
        penalty: of the regression; None for prototypes.
        chosen: whether method and penalty were chosen on what was held out.
        temperature: by which its logits were divided.
        folds: parts that were held out in turn; 0: too few examples to hold any out.
        held_out: the examples that were held out, m of them.
        scores: theirs, (m, classes), by heads that hadn't seen them or their group, with the temperature of the
            other folds.
        before: measures without the temperature.
        after: measures with it.
        curve: examples of a class, and the lowest, mean and highest unweighted recall of draws of that size.
    """

    linear: Linear
    method: str
    penalty: float | None
    chosen: bool
    temperature: float
    folds: int
    held_out: Examples
    scores: Floats
    before: Measures | None
    after: Measures | None
    curve: tuple[tuple[int, float, float, float], ...]


def check(examples: Examples) -> None:
    """Refuse examples that no head can be fitted to.

    Raises:
        LabelsError: only one class, or a class with a single example.
    """
    counts = examples.counts
    classes = ", ".join(f"{name} ({count})" for name, count in counts.items())
    if len(counts) < 2:
        raise LabelsError(f"a head needs two classes or more; the list has only {classes}")
    if few := [name for name, count in counts.items() if count < 2]:
        raise LabelsError(
            f"a class needs two examples or more, better five: {', '.join(few)} has one; the list has {classes}"
        )


def fit_head(
    examples: Examples,
    own: Linear | None = None,
    *,
    method: Method = "auto",
    progress: FitProgress = lambda _, __: None,
    seed: int = 0,
) -> FitResult:
    """Fit a head, choose how, and measure it on what is held out.

    `auto` is whichever of prototypes and regressions of several penalties has the lowest log loss on examples that
    are held out, group by group if groups are known; with fewer than `FEW` examples of a class, the regression
    with the usual penalty; without SciPy, prototypes.

    Args:
        examples: two or more of each class.
        own: the model's own head for the same classes, in their order, to start from.
        method: one of the two, or `auto`.
        progress: is told how many fits are done, of how many.
        seed: of what is drawn.

    Raises:
        LabelsError: as `check`; or the method is `logistic`, and SciPy isn't installed.
    """
    check(examples)
    rng = np.random.default_rng(seed)
    sample = examples if len(examples.labels) <= MOST_HELD_OUT else examples.part(_some(examples, rng))
    folds = deal(sample, rng)
    count = int(folds.max()) + 1 if len(folds) else 0
    candidates = _candidates(method, own, few=min(examples.counts.values()) < FEW)
    sizes = [size for size in SIZES if size < max(examples.counts.values())] if count else []
    steps = len(candidates) * count + len(sizes) * count + 1
    done = 0

    def step(fits: int) -> None:
        nonlocal done
        done += fits
        progress(done, steps)

    held_out = {}
    for key, fit in candidates.items() if count else []:
        held_out[key] = hold_out(sample, folds, fit)
        step(count)
    penalty = min(held_out, key=lambda key: _loss(held_out[key], sample)) if held_out else next(iter(candidates))
    fit = candidates[penalty]
    curve = []
    for size in sizes:
        curve.append((size, *_at_size(sample, folds, penalty, own, size, rng)))
        step(count)
    linear = fit(examples.embeddings, examples.labels)
    step(1)
    name = "prototypes" if penalty is None else "logistic"
    if not held_out:
        empty = sample.part(np.zeros(0, np.int64))
        return FitResult(
            linear, name, penalty, False, 1.0, 0, empty, np.zeros((0, len(sample.classes))), None, None, ()
        )
    logits = held_out[penalty]
    temperature = _temperature(logits, sample, np.ones(len(folds), np.bool_), doubt=DOUBT)
    by_fold = np.array([_temperature(logits, sample, folds != fold, doubt=DOUBT) for fold in range(count)])
    labels = [sample.classes[index] for index in sample.labels]
    before, after = _scores(logits, sample), _scores(logits / by_fold[folds][:, np.newaxis], sample)
    return FitResult(
        linear.divided(temperature),
        name,
        penalty,
        len(candidates) > 1,
        temperature,
        count,
        sample,
        after,
        measure(before, labels, names=sample.classes),
        measure(after, labels, names=sample.classes),
        tuple(curve),
    )


def deal(examples: Examples, rng: np.random.Generator) -> Integers:
    """The fold in which each example is held out: whole groups, or each class spread evenly.

    Returns:
        (n,), from 0; at most `FOLDS`, and none is empty. A single group can't be held out: (0,).
    """
    labels = examples.labels
    if examples.groups is not None:
        return deal_groups(examples.groups)
    folds = np.zeros(len(labels), np.int64)
    count = min(FOLDS, int(np.bincount(labels).min()))
    for index in range(len(examples.classes)):
        own = rng.permutation(np.flatnonzero(labels == index))
        folds[own] = np.arange(len(own)) % count
    return folds


def deal_groups(groups: Sequence[str]) -> Integers:
    """The fold in which each example is held out, by its group, (n,), as of `deal`."""
    values, sizes = np.unique(np.asarray(groups), return_counts=True)
    if len(values) < 2:
        return np.zeros(0, np.int64)
    load = np.zeros(min(FOLDS, len(values)))
    fold_of = {}
    for index in np.argsort(-sizes, kind="stable"):  # the largest first, each into the smallest fold
        fold = int(load.argmin())
        fold_of[values[index]] = fold
        load[fold] += sizes[index]
    return np.array([fold_of[value] for value in groups], np.int64)


def hold_out(examples: Examples, folds: Integers, fit: Fit) -> Floats:
    """Logits (n, classes) of each example by a head that was fitted to the other folds.

    A class that the other folds lack has the logit -inf.
    """
    logits = np.full((len(examples.labels), len(examples.classes)), -np.inf)
    for fold in range(int(folds.max()) + 1):
        rest, own = folds != fold, folds == fold
        logits[own] = fitted(examples.part(rest), fit).logits(examples.embeddings[own])
    return logits


def fitted(examples: Examples, fit: Fit) -> Linear:
    """A head for examples that may lack classes, whose logits are -inf then."""
    classes = np.unique(examples.labels)
    count, width = len(examples.classes), examples.embeddings.shape[1]
    if len(classes) == count:
        return fit(examples.embeddings, examples.labels)
    if isinstance(fit, partial) and fit.keywords.get("own") is not None:
        own = fit.keywords["own"]
        fit = partial(fit, own=Linear(own.weights[classes], own.bias[classes]))
    weights, bias = np.zeros((count, width)), np.full(count, -np.inf)
    if len(classes) == 1:
        bias[classes] = 0.0
    else:
        linear = fit(examples.embeddings, np.searchsorted(classes, examples.labels))
        weights[classes], bias[classes] = linear.weights, linear.bias
    return Linear(weights, bias)


def _candidates(method: Method, own: Linear | None, *, few: bool) -> dict[float | None, Fit]:
    """The fits to choose from: prototypes under None, regressions under their penalties."""
    fits: dict[float | None, Fit] = {}
    regression = method == "logistic" or (method == "auto" and find_spec("scipy") is not None)
    if method == "prototypes" or not regression or (method == "auto" and not few):
        fits[None] = partial(prototypes, own=own)
    if regression:
        penalties = (PENALTY,) if few else PENALTIES
        fits.update({penalty: partial(logistic, own=own, penalty=penalty) for penalty in penalties})
    return fits


def _at_size(
    examples: Examples,
    folds: Integers,
    penalty: float | None,
    own: Linear | None,
    size: int,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """The lowest, mean and highest unweighted recall with `size` examples of each class."""
    fit: Fit = partial(prototypes, own=own)
    if penalty is not None:  # few examples need a stronger one: as strong as PENALTY is at five
        fit = partial(logistic, own=own, penalty=max(penalty, 5 * PENALTY / size))
    recalls = []
    for _ in range(_DRAWS if size <= _OFTEN else 1):
        logits = np.full((len(examples.labels), len(examples.classes)), -np.inf)
        for fold in range(int(folds.max()) + 1):
            rest = np.flatnonzero(folds != fold)
            few = rest[list(_few(examples.labels[rest], size, rng))]
            logits[folds == fold] = fitted(examples.part(few), fit).logits(examples.embeddings[folds == fold])
        labels = [examples.classes[index] for index in examples.labels]
        recalls.append(measure(_scores(logits, examples), labels, names=examples.classes).unweighted)
    return min(recalls), float(np.mean(recalls)), max(recalls)


def _few(labels: Integers, size: int, rng: np.random.Generator) -> Iterator[int]:
    for index in np.unique(labels):
        yield from rng.permutation(np.flatnonzero(labels == index))[:size].tolist()


def _some(examples: Examples, rng: np.random.Generator) -> Integers:
    """At most `MOST_HELD_OUT` examples, as many of each class as of the others, if it has so many."""
    counts = np.bincount(examples.labels)
    low, high = 1, int(counts.max())
    while low < high:  # the most of each class that stays within the sum
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= MOST_HELD_OUT else (low, middle - 1)
    return np.sort(np.fromiter(_few(examples.labels, low, rng), np.int64))


def _scores(logits: Floats, examples: Examples) -> Floats:
    return to_scores(logits, examples.classes, examples.classes)


def _temperature(logits: Floats, examples: Examples, mask: NDArray[np.bool_], *, doubt: float = 0.0) -> float:
    """The temperature of the lowest log loss; every class counts the same, as in the fit."""
    parts = []
    for index, name in enumerate(examples.classes):
        rows = mask & (examples.labels == index) & np.isfinite(logits[:, index])
        if rows.any():
            parts.append((logits[rows], [name] * int(rows.sum())))
    return fit_temperature(parts, examples.classes, examples.classes, doubt=doubt) if parts else 1.0


def _loss(logits: Floats, examples: Examples) -> float:
    """Mean log loss of the classes, at the best temperature."""
    everything = np.ones(len(examples.labels), np.bool_)
    scores = _scores(logits / _temperature(logits, examples, everything), examples)
    right = -np.log(np.maximum(scores[np.arange(len(scores)), examples.labels], 1e-9))
    return float(np.mean([right[examples.labels == index].mean() for index in np.unique(examples.labels)]))
