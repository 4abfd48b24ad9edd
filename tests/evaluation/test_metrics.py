"""What the figures of reports and of the model card mean."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from emovox.emotions import NAMES
from emovox.evaluation.metrics import bootstrap, by_group, fit_temperature, measure, measure_logits

ANGRY, HAPPY, SAD = (NAMES.index(name) for name in ("angry", "happy", "sad"))


def test_recalls_f1_and_calibration_by_hand() -> None:
    scores = np.zeros((4, 9))
    for row, (best, confidence) in enumerate([(ANGRY, 0.9), (ANGRY, 0.9), (ANGRY, 0.6), (SAD, 0.6)]):
        scores[row] = (1 - confidence) / 8
        scores[row, best] = confidence
    measures = measure(scores, ["angry", "angry", "angry", "angry"])
    assert measures.recalls == {"angry": 0.75}
    assert measures.weighted == 0.75
    assert measures.macro_f1 == pytest.approx(2 * 3 / (4 + 3))
    assert measures.calibration_error == pytest.approx(0.5 * abs(0.9 - 1) + 0.5 * abs(0.6 - 0.5))


def test_unweighted_recall_counts_classes_alike() -> None:
    logits = np.zeros((4, 9))
    logits[:, HAPPY] = 1
    measures = measure_logits(logits, ["happy", "happy", "happy", "sad"], ["happy", "sad"])
    assert (measures.unweighted, measures.weighted) == (0.5, 0.75)


def test_the_temperature_makes_confidence_true() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    heard = np.where(rng.random(4000) < 0.8, truth, 1 - truth)
    logits = np.zeros((4000, 9))
    logits[np.arange(4000), np.where(heard, SAD, HAPPY)] = 5  # far too sure
    labels = ["sad" if one else "happy" for one in truth]
    temperature = fit_temperature([(logits, labels)], ["happy", "sad"])
    assert temperature == pytest.approx(5 / np.log(4), rel=0.1)
    before = measure_logits(logits, labels, ["happy", "sad"])
    after = measure_logits(logits, labels, ["happy", "sad"], temperature)
    assert after.calibration_error < 0.02 < before.calibration_error


def test_a_doubt_keeps_few_clips_from_making_certain() -> None:
    logits = np.zeros((5, 9))
    logits[:, HAPPY] = 3
    logits[0] *= 0.9  # so that no temperature fits all
    part = (logits, ["happy"] * 5)
    assert fit_temperature([part], ["happy", "sad"]) < 0.01
    temperature = fit_temperature([part], ["happy", "sad"], doubt=1)
    after = measure_logits(logits, part[1], ["happy", "sad"], temperature)
    assert after.confidence == pytest.approx(5.5 / 6, abs=0.01)


@given(
    truth=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    seed=st.integers(0, 99),
)
def test_figures_are_those_of_scikit_learn(truth: list[int], seed: int) -> None:
    names = ("a", "b", "c", "d")
    scores = np.random.default_rng(seed).dirichlet(np.ones(4), len(truth))
    measures = measure(scores, [names[index] for index in truth], names=names)
    heard = scores.argmax(axis=1)
    labels = sorted(set(truth))
    np.testing.assert_array_equal(measures.confusion, sklearn.confusion_matrix(truth, heard, labels=range(4)))
    assert measures.weighted == pytest.approx(sklearn.accuracy_score(truth, heard))
    recalls = sklearn.recall_score(truth, heard, labels=labels, average=None)
    assert list(measures.recalls.values()) == pytest.approx(recalls.tolist())
    assert measures.unweighted == pytest.approx(recalls.mean())
    f1 = sklearn.f1_score(truth, heard, labels=labels, average="macro", zero_division=0)
    assert measures.macro_f1 == pytest.approx(f1)
    f1s = sklearn.f1_score(truth, heard, labels=labels, average=None, zero_division=0)
    assert list(measures.f1s.values()) == pytest.approx(f1s.tolist())


@given(seed=st.integers(0, 99), order=st.permutations(range(4)))
def test_the_order_of_classes_and_clips_changes_nothing(seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    names = np.array(["a", "b", "c", "d"])
    scores, truth = random.dirichlet(np.ones(4), 30), random.integers(0, 4, 30)
    clips = random.permutation(30)
    one = measure(scores, names[truth].tolist(), names=names.tolist())
    other = measure(scores[clips][:, order], names[truth][clips].tolist(), names=names[order].tolist())
    assert one.recalls == other.recalls
    assert (one.macro_f1, one.weighted) == pytest.approx((other.macro_f1, other.weighted))
    assert one.calibration_error == pytest.approx(other.calibration_error)


def test_what_could_not_be_heard_counts_as_not_recognised() -> None:
    scores = np.eye(9)[[ANGRY, ANGRY, SAD]]
    measures = measure(scores, ["angry", "angry", "sad"], failed=["sad", "happy"])
    assert measures.recalls == {"angry": 1.0, "happy": 0.0, "sad": 0.5}
    assert measures.weighted == 3 / 5
    assert measures.macro_f1 == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert measures.to_dict()["clips"] == 5
    nothing = measure(np.zeros((0, 9)), [], failed=["sad"])
    assert (nothing.weighted, nothing.confidence, nothing.calibration_error) == (0, 0, 0)


def test_coverage_by_hand() -> None:
    """Ten clips, of which the surest are right; the two of equal confidence stay together."""
    confidences = [0.95, 0.9, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    scores = np.zeros((10, 9))
    for row, confidence in enumerate(confidences):
        scores[row] = (1 - confidence) / 8
        scores[row, ANGRY] = confidence
    labels = ["angry"] * 4 + ["sad", "angry", "sad", "sad", "sad", "sad"]
    points = measure(scores, labels, failed=["happy", "sad"]).coverage
    assert [round(12 * point.share) for point in points] == [1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [point.confidence for point in points] == pytest.approx([0.95, *confidences[2:]])
    assert [point.accuracy for point in points[:5]] == pytest.approx([1, 1, 1, 4 / 5, 5 / 6])
    assert points[-1].accuracy == pytest.approx(5 / 10)
    assert measure(np.zeros((0, 9)), [], failed=["sad"]).coverage == ()


@given(seed=st.integers(0, 999), count=st.integers(1, 60), rounded=st.booleans())
def test_coverage_ends_with_all_and_grows_as_confidence_falls(seed: int, count: int, rounded: bool) -> None:
    random = np.random.default_rng(seed)
    scores = random.dirichlet(np.ones(9), count)
    scores = scores.round(1) if rounded else scores
    measures = measure(scores, random.choice(NAMES, count).tolist())
    points = measures.coverage
    assert points[-1].share == 1
    assert points[-1].accuracy == pytest.approx(measures.weighted)
    for one, other in pairwise(points):
        assert one.share < other.share
        assert one.confidence > other.confidence
    for point in points:
        assert point.share == pytest.approx(float((scores.max(axis=1) >= point.confidence).mean()))


def test_intervals_hold_the_figure_and_widen_by_speaker() -> None:
    random = np.random.default_rng(0)
    groups = []
    for speaker in range(8):  # each is heard either well or badly
        right = random.random(50) < (0.95 if speaker % 2 else 0.4)
        truth = random.integers(0, 2, 50)
        scores = np.eye(9)[np.where(truth == right, ANGRY, SAD)]
        groups.append((scores, ["angry" if one else "sad" for one in truth]))
    every = measure(
        np.concatenate([scores for scores, _ in groups]), [label for _, own in groups for label in own]
    )
    alone = bootstrap(every).whole
    together = bootstrap(every, [measure(scores, own) for scores, own in groups]).whole
    for figure in ("unweighted", "weighted", "macro_f1"):
        assert alone[figure][0] < getattr(every, figure) < alone[figure][1]
    assert together["weighted"][1] - together["weighted"][0] > 2 * (alone["weighted"][1] - alone["weighted"][0])
    assert bootstrap(every).whole == alone  # the same seed


def test_a_share_has_the_interval_that_the_textbook_gives() -> None:
    scores = np.eye(9)[[ANGRY] * 300 + [SAD] * 100]
    low, high = bootstrap(measure(scores, ["angry"] * 400)).whole["weighted"]
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.008)


def test_each_class_has_its_interval_also_where_draws_lack_it() -> None:
    scores = np.eye(9)[[ANGRY] * 300 + [SAD] * 100 + [SAD] * 50 + [HAPPY]]
    measures = measure(scores, ["angry"] * 400 + ["sad"] * 50 + ["happy"])
    intervals = bootstrap(measures)
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert intervals.recalls["angry"] == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)
    assert intervals.recalls["sad"] == intervals.recalls["happy"] == intervals.f1s["happy"] == (1, 1)
    for name in ("angry", "sad"):
        low, high = intervals.f1s[name]
        assert low < measures.f1s[name] < high < 1


def test_clips_of_groups_are_whole_numbers() -> None:
    found = by_group({"a": measure(np.eye(9)[[ANGRY, SAD]], ["angry", "angry"])})
    assert json.dumps(found) == '{"a": {"clips": 2, "unweighted": 0.5, "weighted": 0.5, "macro_f1": 0.6667}}'
