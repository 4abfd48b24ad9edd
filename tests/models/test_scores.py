import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from emovox.emotions import NAMES
from emovox.models.scores import certain, to_scores

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
