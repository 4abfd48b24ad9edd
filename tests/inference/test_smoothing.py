import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.inference import smoothing as curve
from emovox.inference.smoothing import smooth
from emovox.models.scores import to_scores


def logits(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (count, 9)).astype(np.float32)


@given(
    count=st.integers(1, 80),
    width=st.floats(0, 100),
    together=st.integers(1, 100),
    classes=st.sets(st.sampled_from(NAMES), min_size=1),
)
def test_a_row_is_the_verdict_over_its_surroundings(
    count: int, width: float, together: int, classes: set[str]
) -> None:
    rows = logits(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "_AT_ONCE", together)
        scores = smooth(rows, sorted(classes), width=width)
    half = int(width // 2)
    for index, row in enumerate(scores):
        near = rows[max(0, index - half) : index + half + 1].astype(np.float64)
        np.testing.assert_allclose(row, to_scores(near.mean(axis=0), classes), atol=1e-6)


def test_width_0_is_the_softmax_of_each_frame_and_an_endless_one_the_verdict() -> None:
    rows = logits(50)
    np.testing.assert_allclose(smooth(rows, NAMES, width=0), to_scores(rows, NAMES), atol=1e-6)
    verdict = to_scores(rows.mean(axis=0, dtype=np.float64), NAMES)
    np.testing.assert_allclose(smooth(rows, NAMES, width=1000), np.tile(verdict, (50, 1)), atol=1e-6)


def test_it_is_smoother() -> None:
    rows = logits(500)
    steps = [np.abs(np.diff(smooth(rows, NAMES, width=width), axis=0)).mean() for width in (0, 5, 50)]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]


@given(count=st.integers(1, 60), width=st.floats(0, 80), together=st.integers(1, 70), data=st.data())
def test_only_what_counts_is_averaged(count: int, width: float, together: int, data: st.DataObject) -> None:
    rows = logits(count)
    counted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "_AT_ONCE", together)
        scores = smooth(rows, NAMES, width=width, counted=counted)
    half = int(width // 2)
    for index, row in enumerate(scores):
        some = slice(max(0, index - half), index + half + 1)
        near = rows[some][counted[some]].astype(np.float64)
        expected = to_scores(near.mean(axis=0), NAMES) if counted[index] else np.full(9, 1 / 9)
        np.testing.assert_allclose(row, expected, atol=1e-6)
