from collections.abc import Callable, Collection

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.inference import smoothing as curve
from emovox.inference.smoothing import Sliding, smooth
from emovox.models.scores import to_scores


def among(classes: Collection[str]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: to_scores(rows, classes)


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
        scores = smooth(rows, among(classes), width=width)
    half = int(width // 2)
    for index, row in enumerate(scores):
        near = rows[max(0, index - half) : index + half + 1].astype(np.float64)
        np.testing.assert_allclose(row, to_scores(near.mean(axis=0), classes), atol=1e-6)


def test_width_0_is_the_softmax_of_each_frame_and_an_endless_one_the_verdict() -> None:
    rows = logits(50)
    np.testing.assert_allclose(smooth(rows, among(NAMES), width=0), to_scores(rows, NAMES), atol=1e-6)
    verdict = to_scores(rows.mean(axis=0, dtype=np.float64), NAMES)
    np.testing.assert_allclose(smooth(rows, among(NAMES), width=1000), np.tile(verdict, (50, 1)), atol=1e-6)


def test_it_is_smoother() -> None:
    rows = logits(500)
    steps = [np.abs(np.diff(smooth(rows, among(NAMES), width=width), axis=0)).mean() for width in (0, 5, 50)]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]


@given(count=st.integers(1, 60), width=st.floats(0, 80), together=st.integers(1, 70), data=st.data())
def test_only_what_counts_is_averaged(count: int, width: float, together: int, data: st.DataObject) -> None:
    rows = logits(count)
    counted = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curve, "_AT_ONCE", together)
        scores = smooth(rows, among(NAMES), width=width, counted=counted)
    half = int(width // 2)
    for index, row in enumerate(scores):
        some = slice(max(0, index - half), index + half + 1)
        near = rows[some][counted[some]].astype(np.float64)
        expected = to_scores(near.mean(axis=0), NAMES) if counted[index] else np.full(9, 1 / 9)
        np.testing.assert_allclose(row, expected, atol=1e-6)


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    width=st.floats(0, 50),
    pooled=st.booleans(),
    data=st.data(),
)
def test_a_sliding_window_sees_what_counts_around_each_frame_however_frames_come(
    counts: list[int], width: float, pooled: bool, data: st.DataObject
) -> None:
    total = sum(counts)
    frames = np.random.default_rng(total).normal(0, 1, (total, 3)).astype(np.float32)
    counted = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)))

    def of_means(means: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh(means)[:, :2])

    def of_frames(stretches: np.ndarray, counts: np.ndarray) -> np.ndarray:
        rows = [stretch[:count].max(axis=0)[:2] for stretch, count in zip(stretches, counts, strict=True)]
        return np.stack(rows)

    sliding = Sliding(of_means if pooled else of_frames, width=width, pooled=pooled)
    for part, some in zip(
        np.split(frames, np.cumsum(counts)[:-1]), np.split(counted, np.cumsum(counts)[:-1]), strict=True
    ):
        sliding.add(part, some)
    values = sliding.finish()
    assert len(values) == total
    half = int(width // 2)
    for index in np.flatnonzero(counted):
        around = slice(max(0, index - half), index + half + 1)
        near = frames[around][counted[around]]
        expected = np.tanh(near.mean(axis=0)) if pooled else near.max(axis=0)
        np.testing.assert_allclose(values[index], expected[:2], atol=1e-5)


def test_a_sliding_window_keeps_no_more_frames_than_it_is_wide() -> None:
    sliding = Sliding(lambda means: means, width=10, pooled=True)
    for _ in range(50):
        sliding.add(np.ones((100, 4), np.float32))
        assert sliding._frames is not None
        assert len(sliding._frames) <= 10
    assert sliding.finish().shape == (5000, 4)
