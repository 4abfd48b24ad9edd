from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.baselines.fitting import fit
from emovox.baselines.shift import ALONG_NEUTRAL, KEPT, expectation, parse_expectation, shift
from emovox.errors import BaselineError, OptionsError
from emovox.models.readout import Readout, ReferenceMean
from support import tiny
from support.baselines import baseline, with_reference

NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "other"), angry=1, happy=2, neutral=10, sad=3, other=100
)
CALLS = with_reference(tiny.CALLS, calm=0, angry=1, furious=3, happy=5)
WEIGHTS = np.arange(1.0, 6)[:, np.newaxis]


def metadata(readout: Readout = NINE) -> Any:
    return tiny.metadata(readouts=(readout,))


def test_half_is_neutral_and_the_rest_is_shared() -> None:
    assert expectation(NINE, None) == pytest.approx({"angry": 1 / 6, "happy": 1 / 6, "neutral": 0.5, "sad": 1 / 6})


@pytest.mark.parametrize(
    ("expect", "emotions", "shares"),
    [
        ({"neutral": 0.8}, None, {"angry": 0.2 / 3, "happy": 0.2 / 3, "neutral": 0.8, "sad": 0.2 / 3}),
        ({"sad": 0.4, "angry": 0.4}, None, {"angry": 0.4, "happy": 0.1, "neutral": 0.1, "sad": 0.4}),
        (None, ("neutral", "sad", "unknown"), {"neutral": 0.5, "sad": 0.5}),
        (None, ("angry", "sad"), {"angry": 0.5, "sad": 0.5}),
        (None, ("neutral",), {"neutral": 1.0}),
        ({"neutral": 1.0}, None, {"angry": 0.0, "happy": 0.0, "neutral": 1.0, "sad": 0.0}),
        ({}, None, {"angry": 0.25, "happy": 0.25, "neutral": 0.25, "sad": 0.25}),
    ],
)
def test_what_is_said_holds_and_what_cant_win_is_left_out(expect: Any, emotions: Any, shares: Any) -> None:
    assert expectation(NINE, expect, emotions) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("expect", "emotions", "reason"),
    [
        ({"calm": 0.5}, None, "expect 'calm': choose among angry, disgusted"),
        ({"other": 0.5}, None, "expect 'other': choose among"),
        ({"sad": 1.5}, None, "give a share from 0 to 1"),
        ({"sad": float("nan")}, None, "give a share from 0 to 1"),
        ({"sad": 0.6, "angry": 0.6}, None, "come to 1.2, which is more than 1"),
        ({"fearful": 0.5}, None, "expect fearful: here the model knows angry, happy, neutral, sad"),
        ({"sad": 0.5}, ("angry",), "expect sad: here the model knows angry"),
        ({"sad": 0.4, "angry": 0.4}, ("sad", "angry"), "come to 0.8, and no other emotion is left"),
    ],
)
def test_shares_that_mean_nothing(expect: Any, emotions: Any, reason: str) -> None:
    with pytest.raises(OptionsError, match=reason):
        expectation(NINE, expect, emotions)


def test_shares_as_text() -> None:
    assert parse_expectation("neutral=0.8, Sad=.1") == {"neutral": 0.8, "sad": 0.1}
    for text in ("neutral", "neutral=much", "", "=1", "neutral=0.6,Neutral=0.2"):
        with pytest.raises(OptionsError, match="expect"):
            parse_expectation(text)


def test_the_mean_is_moved_to_the_mixture_as_far_as_it_is_known() -> None:
    facts = metadata()
    mixture = 0.5 * 10 + (1 + 2 + 3) / 6
    for count, strength in {1: 1 / 5, 4: 1 / 2, 20: 20 / 24, 2000: 2000 / 2004}.items():
        moved = shift(baseline(facts, count=count, mean=7), facts, WEIGHTS)
        assert moved.readout == "emotion"
        assert list(moved.logits) == list(NINE.labels)
        expected = np.arange(1, 6) * (mixture - 7) * ALONG_NEUTRAL * strength  # one number has no other direction
        np.testing.assert_allclose(moved.vector, expected, rtol=1e-6)


def test_a_baseline_takes_the_place_of_most_of_a_prior() -> None:
    facts = metadata(NINE.model_copy(update={"prior": {"neutral": 1.5}}))
    own = baseline(facts, mean=7)
    before, after = (shift(own, item, WEIGHTS).vector for item in (metadata(), facts))
    difference = np.subtract(after, before)
    np.testing.assert_allclose(difference, np.array([0, 0, -1.5, 0, 0]) * (1 - KEPT) * 20 / 24, atol=1e-12)


def test_a_group_is_shrunk_towards_its_set() -> None:
    facts = metadata()
    whole, first, _ = fit("x", [[7.0]] * 10 + [[1.0]] * 30, facts, groups=["a"] * 10 + ["b"] * 30)
    assert whole.mean == pytest.approx(2.5)
    mean = 2.5 + 10 / 40 * (7 - 2.5)
    moved = shift(first, facts, WEIGHTS)
    np.testing.assert_allclose(moved.vector, np.arange(1, 6) * (6 - mean) * ALONG_NEUTRAL * 40 / 44)


def wide(seed: int, *, prior: float = 0.0) -> tuple[Any, np.ndarray, np.ndarray]:
    """A model of five numbers, its matrix, and embeddings of recordings, all at random."""
    random = np.random.default_rng(seed)
    means = {
        label: ReferenceMean(embedding=random.standard_normal(5).astype(np.float32), count=5, source="a test")
        for label in NINE.labels
    }
    readout = NINE.model_copy(update={"reference": means, "prior": {"neutral": prior}})
    rows = random.standard_normal((int(random.integers(2, 30)), 5)).astype(np.float32)
    return tiny.metadata(readouts=(readout,), embedding_size=5), random.standard_normal((5, 5)), rows


@given(seed=st.integers(0, 10**6))
def test_the_order_of_recordings_doesnt_matter(seed: int) -> None:
    facts, weights, rows = wide(seed, prior=1.5)
    order = np.random.default_rng(seed + 1).permutation(len(rows))
    first, second = (shift(fit("x", each, facts)[0], facts, weights).vector for each in (rows, rows[order]))
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 10**6))
def test_what_all_recordings_have_goes_but_only_a_part_of_what_may_be_calm(seed: int) -> None:
    """A line adds the same to all embeddings: n / (n + 4) of that goes, less of what lies towards neutral."""
    facts, weights, rows = wide(seed)
    line = np.random.default_rng(seed + 1).standard_normal(5).astype(np.float32)
    there, here = (shift(fit("x", each, facts)[0], facts, weights).vector for each in (rows + line, rows))
    centre = np.eye(5) - 1 / 5  # a constant that all logits have means nothing
    heard, gone = centre @ weights @ line, centre @ (here - there) * (len(rows) + 4) / len(rows)
    means = {label: mean.embedding for label, mean in facts.emotions.reference.items()}
    others = np.mean([means[name] for name in ("angry", "happy", "sad")], axis=0)
    neutral = centre @ weights @ (means["neutral"] - others)
    neutral /= np.linalg.norm(neutral)
    assert gone @ neutral == pytest.approx(ALONG_NEUTRAL * (heard @ neutral), rel=1e-3, abs=1e-3)
    across = np.eye(5) - np.outer(neutral, neutral)
    np.testing.assert_allclose(across @ gone, across @ heard, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("emotions", [("angry", "sad"), ("neutral",)])
def test_where_neutral_cant_be_told_from_others_all_of_the_shift_counts(emotions: tuple[str, ...]) -> None:
    facts, weights, rows = wide(0)
    [own] = fit("x", rows, facts)
    means = [facts.emotions.reference[name].embedding for name in emotions]
    moved = shift(own, facts, weights, emotions=emotions).vector
    expected = weights @ (np.mean(means, axis=0, dtype=np.float64) - own.mean) * len(rows) / (len(rows) + 4)
    np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 10**6))
def test_a_group_that_is_the_whole_set_is_moved_as_the_set(seed: int) -> None:
    facts, weights, rows = wide(seed)
    whole, own = fit("x", rows, facts, groups=["a"] * len(rows))
    first, second = (shift(item, facts, weights).vector for item in (whole, own))
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


def test_labels_of_one_emotion_share_it() -> None:
    facts = metadata(CALLS)
    moved = shift(baseline(facts, count=10**6, mean=0), facts, WEIGHTS[:4], expect={"neutral": 0, "angry": 1})
    expected = np.arange(1, 5) * 2 * ALONG_NEUTRAL
    np.testing.assert_allclose(moved.vector, expected, rtol=1e-4)  # the mean of angry and furious


@pytest.mark.parametrize(
    ("readouts", "weights", "reason"),
    [
        ((), WEIGHTS, "doesn't give the nine emotions"),
        ((tiny.FOREIGN,), WEIGHTS, "doesn't give the nine emotions"),
        ((tiny.EMOTIONS,), WEIGHTS, "has no reference means"),
        ((NINE.model_copy(update={"kind": "pooled"}),), WEIGHTS, "aren't linear in its embeddings"),
        ((NINE,), None, "doesn't show how its emotions follow .*--precision fp32"),
    ],
)
def test_why_nothing_is_moved(readouts: Any, weights: Any, reason: str) -> None:
    facts = tiny.metadata(readouts=readouts)
    with pytest.raises(BaselineError, match=reason):
        shift(baseline(facts), facts, weights)


def test_another_models_baseline_is_refused() -> None:
    with pytest.raises(BaselineError, match="was made with the model tiny 0"):
        shift(baseline(tiny.metadata(revision="0")), metadata(), WEIGHTS)
