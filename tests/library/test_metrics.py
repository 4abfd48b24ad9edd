"""What the figures of reports and of the model card mean."""

import numpy as np
import pytest

from emovox.emotions import NAMES
from emovox.library.metrics import fit_temperature, measure, measure_logits

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
