import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emovox.emotions import NAMES
from emovox.models.scores import certain, check_scores, to_scores

logits = arrays.arrays(np.float32, (4, 9), elements=st.floats(-1e4, 1e4, width=32))
some_classes = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


@given(logits=logits, classes=some_classes)
def test_scores_sum_to_one_over_the_chosen_classes_alone(logits: np.ndarray, classes: list[str]) -> None:
    scores = to_scores(logits, classes)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-12)
    chosen = [name in classes for name in NAMES]
    assert (scores[:, np.logical_not(chosen)] == 0).all()
    inside = logits[:, chosen].astype(np.float64)
    expected = np.exp(inside - inside.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores[:, chosen], expected / expected.sum(axis=1, keepdims=True), atol=1e-12)


def test_certain() -> None:
    assert dict(zip(NAMES, certain("sad"), strict=True)) == {name: float(name == "sad") for name in NAMES}


@pytest.mark.parametrize(
    "scores", [[1.0, 0.0], [0.33, 0.33, 0.33], [[0.5, 0.5], [1.0004, 0.0]], [], np.zeros((0, 9))]
)
def test_rounded_scores_are_scores(scores: list[float]) -> None:
    check_scores(scores)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([0.0, 0.0], "sum to 0 instead of 1"),
        ([0.5, 0.3], "sum to 0.8 instead"),
        ([0.8, 0.8], "sum to 1.6 instead"),
        ([[1.0, 0.0], [0.0, 0.0]], "sum to 0 instead"),
        ([1.5, -0.5], "aren't all between 0 and 1"),
        ([np.nan, 1.0], "aren't all between 0 and 1"),
        ([np.inf, 0.0], "aren't all between 0 and 1"),
        ([70.0, 30.0], "aren't all between 0 and 1"),
    ],
)
def test_what_are_no_scores(scores: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_scores(scores)
