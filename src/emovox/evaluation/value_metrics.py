"""Metrics of values: how well numbers such as arousal agree with ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.evaluation.metrics import DRAWS, Floats, Interval

FIGURES = {"ccc": "CCC", "pearson": "Pearson's r", "rmse": "RMSE", "mae": "MAE"}
"""The figures, and what they are called."""
_AT_ONCE = 4_000_000  # counts of the bootstrap in memory
_NOTHING = 1e-12  # of a mean square: a variance below it is rounding


@dataclass(frozen=True)
class ValueMeasures:
    """How well values agree with ratings of the same recordings. What is undefined is NaN.

    Attributes:
        clips: how many there are.
        ccc: concordance correlation: 1 where they are equal, less the more they scatter or are shifted or
            stretched. 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))²), variances divided by n: L. I-K. Lin,
            A concordance correlation coefficient to evaluate reproducibility, Biometrics 45, 1989. Undefined if
            all of both are one number.
        pearson: correlation, which shift and stretch don't change. Undefined if either doesn't vary.
        rmse: the root of the mean squared difference.
        mae: the mean absolute difference.
    """

    clips: int
    ccc: float
    pearson: float
    rmse: float
    mae: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON; null where a figure is undefined."""
        return {"clips": self.clips, **{name: rounded(getattr(self, name)) for name in FIGURES}}


def measure_values(values: Floats, labels: Floats) -> ValueMeasures:
    """Compare values (clips,) with labels (clips,)."""
    if not len(values):
        return ValueMeasures(0, *[float("nan")] * len(FIGURES))
    figures = _figures(_cells(values, labels).sum(axis=0))
    return ValueMeasures(len(values), *(float(figures[name]) for name in FIGURES))


def bootstrap_values(
    values: Floats,
    labels: Floats,
    groups: Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Mapping[str, Interval]:
    """95 % intervals of the figures by the bootstrap, NaN where a figure is undefined.

    Args:
        values: (clips,).
        labels: (clips,).
        groups: of each clip; if there are two or more, whole groups are resampled: clips of one speaker are
            alike. None: clips are.
        draws: how many times.
        seed: of the draws.
    """
    if not len(values):
        return dict.fromkeys(FIGURES, (float("nan"), float("nan")))
    rng = np.random.default_rng(seed)
    cells = _cells(values, labels)
    if groups is not None and len(set(groups)) > 1:
        names, index = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
        sums = np.zeros((len(names), cells.shape[1]))
        np.add.at(sums, index, cells)
        cells = sums
    units = len(cells)
    size = max(1, _AT_ONCE // units)
    samples = np.concatenate(
        [
            rng.multinomial(units, [1 / units] * units, min(size, draws - first)) @ cells
            for first in range(0, draws, size)
        ]
    )
    return {name: _middle(figure) for name, figure in _figures(samples).items()}


def rounded(number: float) -> float | None:
    """To four decimals; None for NaN, which JSON hasn't."""
    return None if isnan(number) else round(number, 4)


def _cells(values: Floats, labels: Floats) -> NDArray[np.float64]:
    """Of each clip what the figures need the sums of: (clips, 8)."""
    x, y = (np.asarray(numbers, np.float64) for numbers in (values, labels))
    # The sums of squares lose fewer digits around the means; around one number alone they are exactly 0.
    dx, dy = (numbers - numbers.mean() if np.ptp(numbers) else np.zeros_like(numbers) for numbers in (x, y))
    return np.stack([np.ones_like(x), dx, dy, dx * dx, dy * dy, dx * dy, (x - y) ** 2, np.abs(x - y)], axis=1)


def _figures(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The figures of sums (…, 8) of cells."""
    means = sums[..., 1:] / sums[..., :1]
    x, y, xx, yy, xy, square, distance = np.moveaxis(means, -1, 0)
    var_x, var_y = (
        np.where(all_ - own**2 > _NOTHING * all_, all_ - own**2, 0.0) for all_, own in ((xx, x), (yy, y))
    )
    covariance = np.where((var_x > 0) & (var_y > 0), xy - x * y, 0.0)
    # The mean square is var(x - y) + (mean(x) - mean(y))², and the first is var(x) + var(y) - 2 cov(x, y).
    spread = square + 2 * covariance
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ccc": np.where(spread > 0, 2 * covariance / spread, np.nan),
            "pearson": np.clip(covariance / np.sqrt(var_x * var_y), -1, 1),
            "rmse": np.sqrt(square),
            "mae": distance,
        }


def _middle(values: NDArray[np.float64]) -> Interval:
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [2.5, 97.5]).tolist()
    return round(low, 4), round(high, 4)
