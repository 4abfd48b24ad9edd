"""Linear heads: prototypes from a handful of examples, logistic regression up to very many, ridge for values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.errors import LabelsError
from emovox.packages import install

PENALTY = 0.005
"""Of the regression's weights, where nothing is held out to choose it on; benchmarks/heads.py compares."""
SHARE = 0.3
"""How much the model's own head counts beside prototypes, with logits of the same spread."""
_FLOOR = 0.3  # of the mean deviation: five examples mustn't make a dimension look constant
_RIDGE = 0.03  # keeps the own head's factor near _FACTOR
_FACTOR = 2.0
_BIAS_RIDGE = 0.001
_STOP = {"maxiter": 200, "ftol": 1e-7, "gtol": 1e-4}  # float32 has no more than that

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Linear:
    """Logits of embeddings.

    Attributes:
        weights: (classes, D).
        bias: (classes,).
    """

    weights: Floats
    bias: Floats

    def logits(self, embeddings: Floats) -> Floats:
        """(n, classes) of embeddings (n, D)."""
        return embeddings @ self.weights.T + self.bias

    def divided(self, temperature: float) -> "Linear":
        """The same with its logits divided by a temperature."""
        return Linear(self.weights / temperature, self.bias / temperature)


Fit = Callable[[Floats, Integers], Linear]
"""From embeddings (n, D) and class indices (n,), among which every class occurs, to a head."""


def prototypes(embeddings: Floats, classes: Integers, own: Linear | None = None) -> Linear:
    """Nearest class mean, of standardised embeddings.

    Squared distances to the means differ by what is linear in the embedding, so this is a linear head.

    Args:
        embeddings: (n, D).
        classes: index of each one's class, (n,); every class occurs.
        own: the model's own head for the same classes, which counts `SHARE`.
    """
    mean, deviation = _standard(embeddings)
    normal = (embeddings - mean) / deviation
    means = np.stack([normal[classes == index].mean(axis=0) for index in range(classes.max() + 1)])
    linear = _unstandard(means, -0.5 * (means**2).sum(axis=1), mean, deviation)
    linear = linear.divided(_spread(linear.logits(embeddings)))
    if own is None:
        return linear
    share = SHARE / _spread(own.logits(embeddings))
    return Linear(linear.weights + share * own.weights, linear.bias + share * own.bias)


def logistic(
    embeddings: Floats,
    classes: Integers,
    own: Linear | None = None,
    *,
    penalty: float = PENALTY,
    balanced: bool = True,
) -> Linear:
    """Logistic regression, shrunk towards the model's own head, or towards equal scores.

    Minimises the mean log loss plus half the penalty times the squared weights that are added to a multiple of the
    own head. Embeddings are standardised and divided by √D, so that a penalty means the same for any model.

    Args:
        embeddings: (n, D).
        classes: index of each one's class, (n,); every class occurs.
        own: the model's own head for the same classes.
        penalty: of the weights.
        balanced: every class counts the same, however many examples it has.

    Raises:
        LabelsError: SciPy is not installed.
    """
    try:
        from scipy.optimize import minimize  # noqa: PLC0415  an extra, for training only
    except ImportError as error:
        raise LabelsError(
            f"logistic regression needs SciPy: {install('scipy')}, or use --method prototypes"
        ) from error
    count, width = int(classes.max()) + 1, embeddings.shape[1]
    mean, deviation = _standard(embeddings)
    deviation = deviation * np.sqrt(width)
    normal = ((embeddings - mean) / deviation).astype(np.float32)
    targets = np.eye(count, dtype=np.float32)[classes]
    shares = 1 / np.bincount(classes)[classes] / count if balanced else np.full(len(classes), 1 / len(classes))
    shares = shares.astype(np.float32)[:, np.newaxis]
    offset, spread = np.zeros((len(classes), count), np.float32), 1.0
    if own is not None:
        own_logits = own.logits(embeddings)
        spread = _spread(own_logits)
        offset = (own_logits / spread).astype(np.float32)

    def loss(point: Floats) -> tuple[float, Floats]:
        weights, bias, factor = point[: count * width].reshape(width, count), point[-count - 1 : -1], point[-1]
        logits = normal @ weights.astype(np.float32) + (bias + factor * offset).astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        scores = np.exp(logits)
        sums = scores.sum(axis=1, keepdims=True)
        lost = -float(
            (shares * (targets * (logits - np.log(sums))).sum(axis=1, keepdims=True)).sum(dtype=np.float64)
        )
        ridge = penalty * (weights**2).sum() + _BIAS_RIDGE * (bias**2).sum() + _RIDGE * (factor - _FACTOR) ** 2
        slope = shares * (scores / sums - targets)
        return lost + ridge / 2, np.concatenate(
            [
                (normal.T @ slope + penalty * weights).ravel(),
                slope.sum(axis=0) + _BIAS_RIDGE * bias,
                [(slope * offset).sum() + _RIDGE * (factor - _FACTOR)],
            ]
        ).astype(np.float64)

    start = np.append(np.zeros(count * width + count), _FACTOR)
    bounds = [(None, None)] * (len(start) - 1) + [(0, None)]  # few examples mustn't turn the own head round
    point = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_STOP).x
    linear = _unstandard(point[: count * width].reshape(width, count).T, point[-count - 1 : -1], mean, deviation)
    if own is None:
        return linear
    factor = point[-1] / spread
    return Linear(linear.weights + factor * own.weights, linear.bias + factor * own.bias)


def ridge(embeddings: Floats, ratings: Floats, penalties: Sequence[float]) -> list[Linear]:
    """Ridge regression of values, with each of several penalties.

    Minimises the mean squared error plus the penalty times the squared weights, the bias being free (A. E. Hoerl
    and R. W. Kennard, Ridge Regression, Technometrics 12, 1970). Embeddings are standardised and divided by √D,
    as for `logistic`; where there are fewer examples than dimensions, the dual form solves it.

    Args:
        embeddings: (n, D).
        ratings: (n,), of one value.
        penalties: of the weights.

    Returns:
        For each penalty a head (1, D).
    """
    count, width = embeddings.shape
    mean, deviation = _standard(embeddings)
    deviation = deviation * np.sqrt(width)
    normal = (embeddings - mean) / deviation
    level = float(np.mean(ratings))
    wide = count < width
    spectrum, vectors = np.linalg.eigh((normal @ normal.T if wide else normal.T @ normal) / count)
    target = vectors.T @ ((ratings - level) if wide else normal.T @ (ratings - level)) / count
    heads = []
    for penalty in penalties:
        weights = vectors @ (target / (np.maximum(spectrum, 0) + penalty))
        weights = (normal.T @ weights if wide else weights)[np.newaxis]
        heads.append(_unstandard(weights, np.array([level]), mean, deviation))
    return heads


def _standard(embeddings: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of each dimension, (D,) each, none of them near zero."""
    mean, deviation = embeddings.mean(axis=0, dtype=np.float64), embeddings.std(axis=0, dtype=np.float64)
    floor = _FLOOR * np.sqrt((deviation**2).mean())
    return mean, np.sqrt(deviation**2 + floor**2) + 1e-12


def _unstandard(weights: Floats, bias: Floats, mean: Floats, deviation: Floats) -> Linear:
    """A head for embeddings as they are, from one for (embeddings - mean) / deviation."""
    raw = weights / deviation
    return Linear(raw, bias - raw @ mean)


def _spread(logits: Floats) -> float:
    """The root mean square of logits around their mean over the classes."""
    return float(np.sqrt(((logits - logits.mean(axis=1, keepdims=True)) ** 2).mean())) + 1e-12
