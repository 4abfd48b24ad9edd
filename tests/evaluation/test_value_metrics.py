import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from emovox.evaluation.value_metrics import FIGURES, bootstrap_values, measure_values

Floats = NDArray[np.float64]
NUMBERS = st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=1, max_size=40)


def pairs(numbers: list[tuple[int, int]]) -> tuple[Floats, Floats]:
    values, labels = np.array(numbers, np.float64).T / 100
    return values, labels


def correlated(rng: np.random.Generator, count: int = 200) -> tuple[Floats, Floats]:
    labels = rng.uniform(1, 7, count)
    return 0.6 * labels + 1 + rng.standard_normal(count), labels


def test_the_figures_are_those_of_others_formulas() -> None:
    values, labels = correlated(np.random.default_rng(0))
    measures = measure_values(values, labels)
    assert measures.clips == 200
    assert measures.pearson == pytest.approx(np.corrcoef(values, labels)[0, 1])
    assert measures.rmse == pytest.approx(math.sqrt(np.mean((values - labels) ** 2)))
    assert measures.mae == pytest.approx(np.mean(np.abs(values - labels)))
    # Lin's other form: correlation times a factor of bias, of the scales' ratio and the shift in units of both.
    scale, shift = (
        values.std() / labels.std(),
        (values.mean() - labels.mean()) / np.sqrt(values.std() * labels.std()),
    )
    assert measures.ccc == pytest.approx(measures.pearson * 2 / (scale + 1 / scale + shift**2))


def test_an_example_by_hand() -> None:
    measures = measure_values(np.array([1.0, 2, 3]), np.array([2.0, 3, 4]))
    # var = 2/3 each, cov = 2/3, means 1 apart: 2 · 2/3 / (4/3 + 1) = 4/7
    assert measures.to_dict() == {"clips": 3, "ccc": 0.5714, "pearson": 1.0, "rmse": 1.0, "mae": 1.0}


@given(NUMBERS)
def test_properties(numbers: list[tuple[int, int]]) -> None:
    values, labels = pairs(numbers)
    measures = measure_values(values, labels)
    order = np.random.default_rng(0).permutation(len(values))
    again = measure_values(values[order], labels[order])
    swapped = measure_values(labels, values)
    for figure in FIGURES:
        for other in (again, swapped):
            assert getattr(other, figure) == pytest.approx(getattr(measures, figure), abs=1e-7, nan_ok=True)
    assert 0 <= measures.mae <= measures.rmse + 1e-12
    if not math.isnan(measures.pearson):
        assert -1 <= measures.pearson <= 1
        assert abs(measures.ccc) <= abs(measures.pearson) + 1e-9
    same = measure_values(values, values)
    assert (same.rmse, same.mae) == (0, 0)
    if np.ptp(values):
        assert [same.ccc, same.pearson] == pytest.approx([1, 1])
    else:
        assert math.isnan(same.ccc)
        assert math.isnan(same.pearson)


def test_what_is_undefined_is_said() -> None:
    flat, rising = np.full(5, 1 / 3), np.arange(5.0)
    assert measure_values(flat, rising).to_dict() == {
        "clips": 5, "ccc": 0.0, "pearson": None, "rmse": pytest.approx(2.186, abs=1e-3), "mae": pytest.approx(1.8),
    }  # fmt: skip
    assert measure_values(flat, flat + 1).ccc == 0
    assert measure_values(np.zeros(0), np.zeros(0)).to_dict() == {"clips": 0, **dict.fromkeys(FIGURES)}
    assert all(math.isnan(low) for low, _ in bootstrap_values(np.zeros(0), np.zeros(0)).values())
    assert math.isnan(bootstrap_values(flat[:1], rising[:1])["pearson"][0])


def test_a_far_offset_costs_no_digits() -> None:
    values, labels = correlated(np.random.default_rng(3))
    near, far = measure_values(values, labels), measure_values(values + 1e6, labels + 1e6)
    assert far.ccc == pytest.approx(near.ccc, abs=1e-6)
    assert far.pearson == pytest.approx(near.pearson, abs=1e-6)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    truth = measure_values(*correlated(np.random.default_rng(0), 400_000))
    inside = dict.fromkeys(FIGURES, 0)
    for seed in range(100):
        for figure, (low, high) in bootstrap_values(
            *correlated(np.random.default_rng([1, seed])), draws=400
        ).items():
            inside[figure] += low <= getattr(truth, figure) <= high
    assert all(88 <= count <= 99 for count in inside.values()), inside


def test_whole_groups_are_drawn() -> None:
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 1, 10)  # each speaker is rated too high or too low
    speakers = np.repeat(np.arange(10), 40)
    labels = rng.uniform(0, 1, 400)
    values = labels + shifts[speakers]
    by_group = bootstrap_values(values, labels, [str(speaker) for speaker in speakers])
    by_clip = bootstrap_values(values, labels)
    for figure in FIGURES:
        width = [ends[1] - ends[0] for ends in (by_group[figure], by_clip[figure])]
        assert width[0] > (2 if figure in {"rmse", "mae"} else 1) * width[1]
    assert bootstrap_values(values, labels, ["one"] * 400) == by_clip
    assert bootstrap_values(values, labels) == by_clip  # the same seed
    resampled = []  # the same by hand
    for _ in range(1000):
        drawn = np.concatenate([np.flatnonzero(speakers == one) for one in rng.integers(0, 10, 10)])
        resampled.append(measure_values(values[drawn], labels[drawn]).rmse)
    np.testing.assert_allclose(by_group["rmse"], np.percentile(resampled, [2.5, 97.5]), rtol=0.15)
