"""A recording is taken out of a baseline as if it had never been in it, or it is said that it is still there."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit
from emovox.baselines.removal import Holder, holders, take_out, without
from support import tiny

METADATA = tiny.metadata(embedding_size=3)
Rows = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def rows(count: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)


def digests(count: int) -> list[str]:
    return [f"{number + 1:064x}"[::-1] for number in range(count)]


def stored_of(embeddings: Rows, sha256s: Iterable[str]) -> Callable[[str], list[np.ndarray]]:
    pairs = list(zip(sha256s, embeddings, strict=True))
    return lambda sha256: [np.zeros(3, np.float32), *(row for own, row in pairs if own == sha256)]


def same(one: Baseline, other: Baseline) -> None:
    assert (one.count, one.recordings, one.summands) == (other.count, other.recordings, other.summands)
    for name in ("sum", "squares"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-12)
    if one.group is not None and other.group is not None:
        assert one.group.count == other.group.count
        np.testing.assert_allclose(one.group.sum, other.group.sum, rtol=1e-12, atol=1e-12)


@pytest.fixture
def baselines() -> Callable[[Iterable[Baseline]], None]:
    def write(items: Iterable[Baseline]) -> None:
        for item in items:
            item.write(baseline_path(item.name))

    return write


@given(count=st.integers(2, 20), gone=st.integers(1, 19), seed=st.integers(0, 99))
def test_a_fit_of_all_without_some_is_the_fit_of_the_others(count: int, gone: int, seed: int) -> None:
    values, sha256s, gone = rows(count, seed), digests(count), min(gone, count - 1)
    order = np.random.default_rng(seed).permutation(count)
    out = [sha256s[index] for index in order[:gone]]
    kept = sorted(order[gone:])
    [whole] = fit("x", values, METADATA, sha256s=sha256s)
    [others] = fit("x", values[kept], METADATA, sha256s=[sha256s[index] for index in kept])
    smaller, left = without(whole, out, stored_of(values, sha256s))
    assert left == set()
    assert smaller is not None
    same(smaller, others)
    assert smaller.checksum != whole.checksum
    assert not any(smaller.knows(sha256) for sha256 in out)


def test_it_is_the_same_when_it_was_a_file(baselines: Callable[[Iterable[Baseline]], None]) -> None:
    values, sha256s = rows(4), digests(4)
    baselines(fit("line3", values, METADATA, sha256s=sha256s))
    stored = stored_of(values, sha256s)
    [removal] = take_out(sha256s[3:], stored)
    assert (removal.name, removal.count, removal.left, removal.reason) == ("line3", 3, 0, "")
    same(Baseline.find("line3"), fit("x", values[:3], METADATA, sha256s=sha256s[:3])[0])
    assert take_out(sha256s[3:], stored) == []
    [removal] = take_out(sha256s, stored)
    assert removal.count == 0
    assert Baseline.names() == []  # nothing was left in it


def test_another_embedding_than_was_summed_is_not_subtracted(
    baselines: Callable[[Iterable[Baseline]], None],
) -> None:
    values, sha256s = rows(3), digests(3)
    [before] = fit("line3", values, METADATA, sha256s=sha256s, source="recordings/")
    baselines([before])
    rounded = values.astype(np.float16).astype(np.float32)
    rounded[0] = values[0]  # the only one that is stored as it was summed
    [removal] = take_out(sha256s[:2], stored_of(rounded, sha256s))
    assert (removal.count, removal.left) == (2, 1)
    assert removal.reason.endswith("`emovox baseline fit RECORDINGS --name line3`")
    assert removal.source == "recordings/"
    after = Baseline.find("line3")
    assert [after.knows(sha256) for sha256 in sha256s] == [False, True, True]
    same(after, fit("x", values[1:], METADATA, sha256s=sha256s[1:])[0])
    assert holders(sha256s[:1]) == []
    assert holders(sha256s[1:2]) == [Holder("line3", certain=True)]


def test_both_channels_of_a_recording_go(baselines: Callable[[Iterable[Baseline]], None]) -> None:
    values, sha256s = rows(4), [name for name in digests(2) for _ in range(2)]
    values[3] = values[2]  # the channels are the same
    made = fit(
        "calls", values, METADATA, sha256s=sha256s, groups=["1", "2"] * 2, channels=[1, 2] * 2, column="channel"
    )
    baselines(made)
    stored = stored_of(values, sha256s)
    assert [item.name for item in holders(sha256s[2:])] == ["calls", "calls.1", "calls.2"]
    assert [item.count for item in take_out(sha256s[2:], stored)] == [2, 1, 1]
    for item in fit(
        "calls", values[:2], METADATA, sha256s=sha256s[:2], groups=["1", "2"], channels=[1, 2], column="channel"
    ):
        same(Baseline.find(item.name), item)


def test_a_group_leans_on_its_whole_set_without_the_recording(
    baselines: Callable[[Iterable[Baseline]], None],
) -> None:
    values, sha256s = rows(5), digests(5)
    groups = ["a", "a", "b", "b", "c"]
    made = fit("calls", values, METADATA, sha256s=sha256s, groups=groups, column="speaker")
    baselines(made)
    whole, *others = fit("calls", values[1:4], METADATA, sha256s=sha256s[1:4], groups=groups[1:4])
    stored, out = stored_of(values, sha256s), [sha256s[0], sha256s[4]]
    removals = take_out(out, stored)
    assert [(item.name, item.count, item.left) for item in removals] == [
        ("calls", 3, 0), ("calls.a", 1, 0), ("calls.b", 2, 0), ("calls.c", 0, 0),
    ]  # fmt: skip
    assert Baseline.names() == ["calls", "calls.a", "calls.b"]
    for item in (whole, *others):
        same(Baseline.find(item.name), item)
    # As it is when it was killed between the groups and their whole set:
    baselines(made[:1])
    assert [(item.name, item.certain) for item in holders(out)] == [
        ("calls", True), ("calls.a", False), ("calls.b", False),
    ]  # fmt: skip
    assert [(item.name, item.count, item.left) for item in take_out(out, stored)] == [("calls", 3, 0)]
    for item in (whole, *others):
        same(Baseline.find(item.name), item)


def test_what_may_have_it(baselines: Callable[[Iterable[Baseline]], None]) -> None:
    values, sha256s = rows(3), digests(3)
    groups = ["a", "b", "b"]
    baselines(fit("bare", values, METADATA))
    baselines(fit("gone", values, METADATA, sha256s=sha256s, groups=groups)[1:])
    baselines(fit("other", values[1:], METADATA, sha256s=sha256s[1:]))
    baseline_path("broken").write_text("{}")
    assert holders(sha256s[:1]) == [
        Holder("bare", certain=False), Holder("broken", certain=False), Holder("gone.a", certain=True),
        Holder("gone.b", certain=False),
    ]  # fmt: skip
    removals = {item.name: item for item in take_out(sha256s[:1], stored_of(values, sha256s))}
    assert removals.keys() == {"bare", "broken", "gone.a", "gone.b"}
    assert "not all of its recordings are known" in removals["bare"].reason
    assert "--name gone --group group" in removals["gone.b"].reason
    assert "emovox baseline remove broken" in removals["broken"].reason
    assert (removals["gone.a"].count, Baseline.names()) == (0, ["bare", "broken", "gone.b", "other"])
    assert not holders([])
    assert not take_out([], stored_of(values, sha256s))


def test_a_file_of_before_says_nothing_of_its_embeddings(
    baselines: Callable[[Iterable[Baseline]], None],
) -> None:
    values, sha256s = rows(2), digests(2)
    [made] = fit("old", values, METADATA, sha256s=sha256s)
    baselines([made.model_copy(update={"summands": None})])
    [removal] = take_out(sha256s[:1], stored_of(values, sha256s))
    assert (removal.count, removal.left) == (2, 1)
