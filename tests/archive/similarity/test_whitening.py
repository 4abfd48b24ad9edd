import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.archive.similarity.whitening import Whitening, fit, unit


def voices(count: int, width: int = 24, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Embeddings as of a model: far from the origin, who speaks weighs much and the emotion little."""
    chance = np.random.default_rng(seed)
    emotions = chance.integers(0, 4, count)
    speakers = chance.standard_normal((count, 3)) @ chance.standard_normal((3, width)) * 4
    rows = (
        30 + speakers + chance.standard_normal((4, width))[emotions] + 0.1 * chance.standard_normal((count, width))
    )
    return rows.astype(np.float32), [f"e{number}" for number in emotions]


def share(rows: np.ndarray, emotions: list[str]) -> float:
    """Of the five nearest, how many have the same emotion."""
    cosines, found = rows @ rows.T, np.asarray(emotions)
    np.fill_diagonal(cosines, -2)
    return float((found[np.argsort(-cosines)[:, :5]] == found[:, None]).mean())


def test_it_brings_out_the_emotion() -> None:
    rows, emotions = voices(400)
    whitening = Whitening(1, 400, *fit(rows, emotions))
    assert share(unit(rows), emotions) < 0.6
    assert share(whitening.apply(rows), emotions) > 0.95
    raw = unit(rows) @ unit(rows).T
    assert np.median(raw) > 0.9
    assert abs(np.median(whitening.apply(rows) @ whitening.apply(rows).T)) < 0.3


def test_within_emotions_what_is_whitened_is_white() -> None:
    rows, emotions = voices(20_000, width=6)
    mean, matrix = fit(rows, emotions)
    transformed = (rows - mean) @ matrix
    for name in set(emotions):
        own = transformed[[emotion == name for emotion in emotions]]
        covariance = np.cov(own.T)
        covariance /= np.trace(covariance) / 6
        assert np.abs(covariance - np.eye(6)).max() < 0.3, covariance


@pytest.mark.parametrize(("count", "names"), [(10, 4), (400, 1)])
def test_too_little_to_whiten_is_centred(count: int, names: int) -> None:
    rows, emotions = voices(count)
    mean, matrix = fit(rows, emotions if names > 1 else ["unknown"] * count)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(matrix, np.eye(24))


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 5), st.booleans(), st.integers(0, 9))
def test_whatever_comes_it_is_finite_and_of_length_one(
    count: int, width: int, names: int, same: bool, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.standard_normal((count, width)).astype(np.float32)
    if same:
        rows[:] = rows[0]
    mean, matrix = fit(rows, [str(number) for number in chance.integers(0, names, count)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-4)
    lengths = np.linalg.norm(Whitening(1, count, mean, matrix).apply(rows), axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-3) | (lengths == 0))
