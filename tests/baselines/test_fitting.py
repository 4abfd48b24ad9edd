import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.baselines.fitting import fit
from emovox.errors import BaselineError
from support import tiny

METADATA = tiny.metadata(embedding_size=3)


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)


def digests(count: int) -> list[str | None]:
    return [f"{number + 1:064x}" for number in range(count)]


@given(count=st.integers(2, 30), half=st.integers(1, 29), seed=st.integers(0, 99))
def test_the_sums_of_two_halves_are_the_wholes_in_any_order(count: int, half: int, seed: int) -> None:
    values, half = rows(count, seed), min(half, count - 1)
    order = np.random.default_rng(seed).permutation(count)
    [whole], [first], [second], [shuffled] = (
        fit("x", values[chosen], METADATA) for chosen in (slice(None), slice(None, half), slice(half, None), order)
    )
    assert first.count + second.count == whole.count == shuffled.count == count
    for name in ("sum", "squares"):
        parts = getattr(first, name) + getattr(second, name)
        np.testing.assert_allclose(parts, getattr(whole, name), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(getattr(shuffled, name), getattr(whole, name), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.mean, values.mean(axis=0, dtype=np.float64))


def test_a_recording_counts_once() -> None:
    values = rows(3)
    sha256s = ["a" * 64, "b" * 64, "a" * 64]
    [once] = fit("x", values, METADATA, sha256s=sha256s)
    [two] = fit("x", values[:2], METADATA, sha256s=sha256s[:2])
    assert once.count == 2
    np.testing.assert_array_equal(once.sum, two.sum)
    assert fit("x", values, METADATA, sha256s=[None] * 3)[0].count == 3  # who knows
    groups = fit("x", values, METADATA, sha256s=sha256s, groups=["1", "1", "2"])
    assert [item.count for item in groups] == [2, 2, 1]
    np.testing.assert_array_equal(groups[0].sum, two.sum)


def test_each_channel_is_a_recording_of_its_own() -> None:
    values = rows(4)
    sha256s, channels = ["a" * 64, "a" * 64, "a" * 64, "b" * 64], [1, 2, 1, 1]
    [once] = fit("x", values, METADATA, sha256s=sha256s, channels=channels)
    [three] = fit("x", values[[0, 1, 3]], METADATA, sha256s=[None] * 3)
    assert (once.count, len(once.recordings or ())) == (3, 2)
    np.testing.assert_array_equal(once.sum, three.sum)


def test_each_group_has_one_and_they_add_up() -> None:
    values = rows(5)
    whole, *parts = fit(
        "calls", values, METADATA, sha256s=digests(5), groups=["b/1", "a", "b/1", "", "a"], column="speaker"
    )
    assert [part.name for part in parts] == ["calls.a", "calls.b-1"]  # one is of nobody
    assert [part.count for part in parts] == [2, 2]
    assert whole.group is None
    np.testing.assert_allclose(sum(part.sum for part in parts) + values[3], whole.sum)
    for part in parts:
        assert part.group is not None
        assert (part.group.name, part.group.column, part.group.count) == ("calls", "speaker", 5)
        np.testing.assert_array_equal(part.group.sum, whole.sum)


def test_groups_that_would_share_a_name() -> None:
    with pytest.raises(BaselineError, match=r"'a/b' and 'a:b' would both be called x\.a-b"):
        fit("x", rows(2), METADATA, groups=["a/b", "a:b"])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((0, 3)), "no recording"),
        (np.zeros((2, 4)), "aren't embeddings by tiny, which have 3 numbers"),
        (np.full((2, 3), np.nan), "aren't embeddings"),
    ],
)
def test_what_cant_be_fitted(values: np.ndarray, reason: str) -> None:
    with pytest.raises(BaselineError, match=reason):
        fit("x", values, METADATA)
