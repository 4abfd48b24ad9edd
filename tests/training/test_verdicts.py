"""What is right counts by the stream, and what is said is compared with it."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from emovox.emotions import NAMES
from training.verdicts import Verdicts, stream, temperature_of

CLASSES = ("angry", "neutral", "sad")


def test_a_stream_has_its_share_of_neutral_and_others_alike() -> None:
    labels = np.array(["neutral"] * 2 + ["angry"] * 4 + ["sad"] + ["other"])
    weights = stream(labels, CLASSES, 0.5)
    assert weights.sum() == pytest.approx(1)
    assert weights[:2].sum() == pytest.approx(0.5)
    assert weights[2:6].sum() == pytest.approx(weights[6]) == pytest.approx(0.25)
    assert weights[7] == 0
    assert stream(np.array(["neutral"] * 4), ("neutral",), 0.5).tolist() == [0.25] * 4


def test_what_is_said_too_much_is_over() -> None:
    verdicts = Verdicts(np.array([True, False, False, False]), np.full(4, 0.9), np.full(4, 0.25))
    assert verdicts.accuracy == 0.25
    assert verdicts.over == pytest.approx(0.65)
    assert verdicts.calibration_error == pytest.approx(0.65)


def test_errors_of_both_signs_do_not_cancel_in_the_calibration_error() -> None:
    verdicts = Verdicts(np.array([True, False]), np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    apart = Verdicts(np.array([True, False]), np.array([0.7, 0.3]), np.array([0.5, 0.5]))
    assert verdicts.over == pytest.approx(0)
    assert apart.over == pytest.approx(0)
    assert apart.calibration_error == pytest.approx(0.3)


def test_the_threshold_is_the_least_above_which_enough_is_right() -> None:
    said = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    right = np.array([True, True, False, True, False, False])
    verdicts = Verdicts(right, said, np.full(6, 1 / 6))
    assert verdicts.threshold(0.7) == 0.6
    assert verdicts.above(0.6) == pytest.approx((4 / 6, 3 / 4))
    assert Verdicts(~right, said, np.full(6, 1 / 6)).threshold(0.9) is None


def test_a_temperature_makes_up_for_too_much_sureness() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4000, len(NAMES))).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([NAMES[rng.choice(len(NAMES), p=row / row.sum())] for row in scores])
    weights = np.full(len(labels), 1 / len(labels))
    assert temperature_of([(3 * logits, labels, weights)]) == pytest.approx(3, rel=0.1)
    verdicts = Verdicts.of(3 * logits, labels, weights, 3)
    assert verdicts.over == pytest.approx(0, abs=0.03)
