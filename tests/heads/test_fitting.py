import importlib.util
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.errors import LabelsError
from emovox.heads import fitting as teaching
from emovox.heads.fitting import Examples, deal, fit_head, hold_out
from emovox.heads.linear import Linear, prototypes


def examples(
    seed: int = 0, *, each: int = 20, classes: int = 3, speakers: int = 5, apart: float = 1.0, accent: float = 1.0
) -> Examples:
    """Embeddings around a centre for each class, moved by each speaker."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    spoken = np.tile(np.arange(speakers), len(labels))[: len(labels)]
    centres, voices = (
        apart * random.standard_normal((classes, 16)),
        accent * random.standard_normal((speakers, 16)),
    )
    embeddings = centres[labels] + voices[spoken] + random.standard_normal((len(labels), 16))
    return Examples(
        embeddings.astype(np.float32),
        labels,
        tuple("abcdefgh"[:classes]),
        [f"speaker {number}" for number in spoken],
        [f"{number}.wav" for number in range(len(labels))],
    )


@given(seed=st.integers(0, 99), each=st.integers(2, 30), speakers=st.integers(2, 12))
def test_a_group_is_held_out_as_a_whole(seed: int, each: int, speakers: int) -> None:
    given_ = examples(seed, each=each, speakers=min(speakers, 3 * each))
    folds = deal(given_, np.random.default_rng(seed))
    assert given_.groups is not None
    where: dict[str, set[int]] = {}
    for group, fold in zip(given_.groups, folds.tolist(), strict=True):
        where.setdefault(group, set()).add(fold)
    assert all(len(found) == 1 for found in where.values())
    assert set(folds.tolist()) == set(range(min(5, len(where))))


@given(seed=st.integers(0, 99), each=st.integers(2, 30))
def test_without_groups_every_fold_has_every_class(seed: int, each: int) -> None:
    one = examples(seed, each=each)
    given_ = Examples(one.embeddings, one.labels, one.classes, None, one.names)
    folds = deal(given_, np.random.default_rng(seed))
    for index in range(3):
        counts = np.bincount(folds[given_.labels == index], minlength=folds.max() + 1)
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1


def test_what_is_held_out_was_not_learnt_from() -> None:
    given_ = examples()
    folds = deal(given_, np.random.default_rng(0))
    seen: list[np.ndarray] = []

    def fit(embeddings: np.ndarray, labels: np.ndarray) -> Linear:
        seen.append(embeddings)
        return prototypes(embeddings, labels)

    logits = hold_out(given_, folds, fit)
    assert np.isfinite(logits).all()
    for fold, learnt in enumerate(seen):
        held = given_.embeddings[folds == fold]
        assert not (learnt[:, np.newaxis] == held[np.newaxis]).all(axis=2).any()


def test_a_class_of_one_speaker_cant_be_heard_without_him() -> None:
    one = examples(apart=4)
    groups = ["solo" if label == 2 else group for label, group in zip(one.labels, one.groups or [], strict=True)]
    found = fit_head(Examples(one.embeddings, one.labels, one.classes, groups, one.names))
    assert found.after is not None
    assert found.after.recalls["c"] == 0
    assert found.linear.logits(one.embeddings[one.labels == 2]).argmax(axis=1).tolist() == [2] * 20


@pytest.mark.parametrize("method", ["prototypes", "logistic", "auto"])
def test_it_learns_measures_and_calibrates(method: teaching.Method) -> None:
    given_ = examples(each=30, apart=0.7)
    steps: list[tuple[int, int]] = []
    found = fit_head(given_, method=method, progress=lambda done, total: steps.append((done, total)))
    assert method in ("auto", found.method)
    assert (found.penalty is None) == (found.method == "prototypes")
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert found.before is not None
    assert found.after is not None
    assert 0.5 < found.after.unweighted <= 1
    assert found.after.calibration_error < 0.12
    sizes = [size for size, *_ in found.curve]
    assert sizes == [1, 2, 5, 10, 20]
    assert all(low <= mean <= high for _, low, mean, high in found.curve)
    assert found.curve[-1][2] > found.curve[0][2]


def test_the_same_examples_give_the_same_head() -> None:
    one, other = fit_head(examples()), fit_head(examples())
    np.testing.assert_array_equal(one.linear.weights, other.linear.weights)
    assert one.curve == other.curve


def test_an_own_head_is_started_from() -> None:
    whole = examples(each=200, apart=0.6)
    own = prototypes(whole.embeddings, whole.labels)
    few = whole.part(np.concatenate([np.flatnonzero(whole.labels == index)[:4] for index in range(3)]))
    right = [
        (fit_head(few, start).linear.logits(whole.embeddings).argmax(axis=1) == whole.labels).mean()
        for start in (None, own)
    ]
    assert right[1] > right[0] + 0.03


def test_few_that_are_all_heard_right_make_nothing_certain() -> None:
    sure = []
    for each in (5, 50):
        taught = fit_head(examples(each=each, apart=6.0), method="prototypes")
        assert taught.after is not None
        assert taught.after.unweighted == 1
        sure.append(taught.after.confidence)
    assert 0.8 < sure[0] < 0.97
    assert sure[0] < sure[1] < 0.999


def test_of_one_group_nothing_is_measured() -> None:
    taught = fit_head(examples(speakers=1))
    assert (taught.folds, taught.before, taught.after, taught.curve) == (0, None, None, ())
    assert len(taught.linear.weights) == 3


def test_two_examples_a_class_are_enough() -> None:
    found = fit_head(examples(each=2, speakers=2))
    assert found.linear.weights.shape == (3, 16)
    assert found.folds == 2


def test_what_can_t_be_learnt_from_is_refused() -> None:
    given_ = examples()
    with pytest.raises(LabelsError, match=r"the list has only a \(20\)"):
        fit_head(Examples(given_.embeddings[:20], given_.labels[:20], ("a",), None, given_.names[:20]))
    with pytest.raises(LabelsError, match=r"c has one; the list has a \(20\), b \(20\), c \(1\)"):
        fit_head(given_.part(np.arange(41)))


def test_very_many_are_sampled_for_what_is_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teaching, "MOST_HELD_OUT", 30)
    given_ = examples(each=40)
    few = given_.part(np.concatenate([np.arange(40), np.arange(40, 45), np.arange(80, 120)]))
    found = fit_head(few, method="prototypes")
    counts = found.held_out.counts
    assert counts == {"a": 12, "b": 5, "c": 12}
    everything = prototypes(few.embeddings, few.labels).divided(found.temperature)
    np.testing.assert_allclose(found.linear.weights, everything.weights)


def test_without_scipy_prototypes_are_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        teaching, "find_spec", lambda name: None if name == "scipy" else importlib.util.find_spec(name)
    )
    assert fit_head(examples()).method == "prototypes"


def test_classes_that_a_part_lacks_get_no_logits() -> None:
    given_ = examples()
    own = Linear(np.zeros((3, 16)), np.zeros(3))
    head = teaching.fitted(given_.part(given_.labels != 1), partial(prototypes, own=own))
    logits = head.logits(given_.embeddings)
    assert np.isneginf(logits[:, 1]).all()
    assert np.isfinite(logits[:, [0, 2]]).all()
