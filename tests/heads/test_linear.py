import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from emovox.errors import LabelsError
from emovox.heads import linear
from emovox.heads.linear import Fit, Linear, logistic, prototypes

FITS = [prototypes, logistic]


def clouds(
    seed: int, *, count: int = 3, each: int = 8, width: int = 12, apart: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings around a centre for each class, with dimensions of very different scales."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), each)
    scales = 10.0 ** random.uniform(-2, 2, width)
    centres = apart * random.standard_normal((count, width))
    return (centres[labels] + random.standard_normal((len(labels), width))) * scales + scales, labels


@pytest.mark.parametrize("fit", FITS)
def test_what_is_apart_is_told_apart(fit: Fit) -> None:
    embeddings, labels = clouds(0, each=40, apart=3)
    head = fit(embeddings[::2], labels[::2])
    assert (head.logits(embeddings[1::2]).argmax(axis=1) == labels[1::2]).mean() > 0.95


@pytest.mark.parametrize("fit", FITS)
@hypothesis(max_examples=20)
@given(seed=st.integers(0, 99), order=st.permutations(range(3)))
def test_the_order_of_classes_and_examples_changes_nothing(fit: Fit, seed: int, order: list[int]) -> None:
    embeddings, labels = clouds(seed)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    one = fit(embeddings, labels).logits(embeddings)
    renamed = np.argsort(order)[labels]  # class order[i] is now i
    other = fit(embeddings[shuffled], renamed[shuffled]).logits(embeddings)
    spread = np.abs(one).max()
    np.testing.assert_allclose(
        other - other.mean(1, keepdims=True), (one - one.mean(1, keepdims=True))[:, order], atol=2e-2 * spread
    )


@pytest.mark.parametrize("fit", FITS)
@hypothesis(max_examples=20)
@given(seed=st.integers(0, 99))
def test_units_of_the_embedding_change_nothing(fit: Fit, seed: int) -> None:
    embeddings, labels = clouds(seed)
    one = fit(embeddings, labels).logits(embeddings)
    other = fit(1000 * embeddings + 5, labels).logits(1000 * embeddings + 5)
    np.testing.assert_allclose(other, one, atol=2e-2 * np.abs(one).max())


def test_prototypes_are_nearest_means() -> None:
    embeddings, labels = clouds(1)
    mean, deviation = linear._standard(embeddings)
    normal = (embeddings - mean) / deviation
    means = np.stack([normal[labels == index].mean(axis=0) for index in range(3)])
    nearest = ((normal[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(prototypes(embeddings, labels).logits(embeddings).argmax(axis=1), nearest)


def test_the_regression_is_scikit_learns() -> None:
    embeddings, labels = clouds(2, each=30)
    penalty = 0.01
    mean, deviation = linear._standard(embeddings)
    normal = (embeddings - mean) / deviation / np.sqrt(embeddings.shape[1])
    other = LogisticRegression(C=1 / penalty / len(labels), max_iter=10_000, tol=1e-8).fit(normal, labels)
    ours = logistic(embeddings, labels, penalty=penalty, balanced=False).logits(embeddings)
    theirs = other.decision_function(normal)
    scores = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in (ours, theirs)]
    np.testing.assert_allclose(scores[0], scores[1], atol=0.01)


def test_every_class_counts_the_same() -> None:
    embeddings, labels = clouds(3, count=2, each=200, apart=0.3)
    few = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:20]])
    heard = [
        logistic(embeddings[few], labels[few], penalty=0.1, balanced=balanced)
        .logits(embeddings[labels == 1])
        .argmax(axis=1)
        .mean()
        for balanced in (True, False)
    ]
    assert heard[0] > heard[1] + 0.2


@pytest.mark.parametrize("fit", FITS)
def test_the_own_head_helps_where_examples_are_few(fit: Fit) -> None:
    gains = []
    for seed in range(10):
        embeddings, labels = clouds(seed, each=100, apart=0.8)
        good = prototypes(embeddings, labels)
        few = np.concatenate([np.flatnonzero(labels == index)[:2] for index in range(3)])
        own = Linear(100 * good.weights, 100 * good.bias)  # far too sure: its scale must not matter
        right = [
            (head.logits(embeddings).argmax(axis=1) == labels).mean()
            for head in (fit(embeddings[few], labels[few]), fit(embeddings[few], labels[few], own))  # type: ignore[call-arg]
        ]
        gains.append(right[1] - right[0])
    assert np.median(gains) > 0.02


@pytest.mark.parametrize("fit", FITS)
def test_how_sure_the_own_head_is_does_not_matter(fit: Fit) -> None:
    embeddings, labels = clouds(6)
    own = prototypes(*clouds(7))
    one, other = (
        fit(embeddings, labels, Linear(scale * own.weights, scale * own.bias)).logits(embeddings)  # type: ignore[call-arg]
        for scale in (1, 50)
    )
    np.testing.assert_allclose(one, other, atol=0.02 * np.abs(one).max())


def test_a_strong_penalty_leaves_a_multiple_of_the_own_head() -> None:
    embeddings, labels = clouds(4)
    own = prototypes(embeddings, labels)
    found = logistic(embeddings, labels, own, penalty=1000)
    factor = (found.weights * own.weights).sum() / (own.weights**2).sum()
    assert factor > 0
    np.testing.assert_allclose(found.weights, factor * own.weights, rtol=0.05, atol=1e-3)
    backwards = logistic(embeddings, labels, Linear(-own.weights, -own.bias), penalty=100)
    assert (
        abs((backwards.weights * own.weights).sum()) < 0.01 * (own.weights**2).sum()
    )  # ignored, not turned round


def test_without_scipy_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    prototypes(*clouds(0))
    with pytest.raises(LabelsError, match=r"needs SciPy: .* -m pip install scipy, or use --method prototypes"):
        logistic(*clouds(0))
