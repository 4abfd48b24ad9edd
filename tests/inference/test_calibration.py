"""How sure a result says it is: temperatures by length, and verdicts that are unsure."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from emovox.emotions import NAMES
from emovox.inference.raw import without_baseline
from emovox.inference.recognition import UNSURE, Recognition, Segment
from emovox.inference.recognizer import Recognizer
from emovox.models.readout import Calibration, Readout, temperature
from support import tiny
from support.baselines import baseline, with_reference

RATE = 16_000
NINE = with_reference(tiny.EMOTIONS, angry=0.3, happy=0.5, sad=0.1)
TEMPERATURES = ((0.5, 4.0), (2.5, 0.5))


def temperature_of(seconds: float) -> float:
    return float(np.interp(seconds, [0.5, 2.5], [4.0, 0.5]))


def loaded(directory: Path, **calibration: Any) -> Recognizer:
    facts = {**dict(NINE), "calibration": Calibration(**calibration)} if calibration else dict(NINE)
    return Recognizer(tiny.write(directory / "tiny.onnx", readouts=(Readout(**facts),)))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return loaded(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return loaded(tmp_path_factory.mktemp("calibrated"), temperatures=TEMPERATURES)


def sharpened(item: Recognition | Segment, temperature: float, *, without: bool = False) -> np.ndarray:
    """The scores with the logits divided by a temperature."""
    scores = item.scores_without if without else item.scores
    assert scores is not None
    powers = np.array([scores[name] for name in NAMES]) ** (1 / temperature)
    return np.asarray(powers / powers.sum())


def numbers(item: Recognition | Segment) -> np.ndarray:
    assert item.scores is not None
    return np.array([item.scores[name] for name in NAMES])


def says_unsure(result: Recognition) -> bool:
    summary = result.summary
    marked = any(item.unsure is not None for item in result.segments or ())
    return marked or (summary is not None and (summary.unsure > 0 or summary.kind == "unsure"))


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5, 2.2, 4.0])
def test_how_sure_it_is_depends_on_how_much_is_spoken(
    plain: Recognizer, calibrated: Recognizer, speech: np.ndarray, seconds: float
) -> None:
    """Silence makes no recording longer."""
    spoken = np.concatenate([speech, speech])[: round(seconds * RATE)]
    sound = (np.concatenate([spoken, np.zeros(3 * RATE, np.float32)]), RATE)
    before, after = plain.recognize(sound), calibrated.recognize(sound)
    divisor = temperature_of(after.recording.speech or 0)
    np.testing.assert_allclose(numbers(after), sharpened(before, divisor), atol=1e-6)
    assert after.emotion == before.emotion


@pytest.mark.parametrize(("seconds", "expected"), [(0, 4), (0.5, 4), (1, 3.125), (2.5, 0.5), (60, 0.5)])
def test_a_temperature_lies_between_those_that_were_measured(seconds: float, expected: float) -> None:
    assert temperature(TEMPERATURES, seconds) == pytest.approx(expected)
    assert temperature((), seconds) == 1


def test_a_segment_has_its_own_length_and_the_curve_none(
    plain: Recognizer, calibrated: Recognizer, speech: np.ndarray
) -> None:
    sound = (np.concatenate([speech, np.zeros(2 * RATE, np.float32), speech[: RATE // 2]]), RATE)
    before, after = (item.recognize(sound, segments=True, granularity="frame") for item in (plain, calibrated))
    assert before.segments
    assert after.segments
    assert before.frames is not None
    assert after.frames is not None
    for raw, item in zip(before.segments, after.segments, strict=True):
        divisor = temperature_of(item.end - item.start)
        np.testing.assert_allclose(numbers(item), sharpened(raw, divisor), atol=1e-6)
    np.testing.assert_array_equal(before.frames.scores, after.frames.scores)


def test_the_shift_is_divided_too(plain: Recognizer, calibrated: Recognizer) -> None:
    sound = (np.full(RATE, 0.4, np.float32), RATE)
    own = baseline(plain.metadata, mean=0.2)
    before, after = plain.recognize(sound, baseline=own), calibrated.recognize(sound, baseline=own)
    np.testing.assert_allclose(numbers(after), sharpened(before, 4.0), atol=1e-6)
    assert after.scores_without is not None
    np.testing.assert_allclose(
        [after.scores_without[name] for name in NAMES], sharpened(before, 4.0, without=True), atol=1e-6
    )


def test_little_confidence_is_unsure(tmp_path: Path, speech: np.ndarray) -> None:
    sound = (speech, RATE)
    confidence = loaded(tmp_path).recognize(sound).confidence
    assert confidence is not None
    for threshold, unsure in ((confidence + 0.01, True), (confidence - 0.01, False)):
        result = loaded(tmp_path, unsure=threshold).recognize(sound, segments=True)
        assert (UNSURE in result.warnings) is unsure
        assert result.confidence == confidence
        assert result.segments
        for segment in result.segments:
            assert segment.confidence is not None
            assert segment.unsure is (segment.confidence < threshold)


def test_what_was_not_measured_is_not_said(tmp_path: Path, plain: Recognizer, speech: np.ndarray) -> None:
    model = loaded(tmp_path, unsure=1.0)
    assert UNSURE in model.recognize((speech, RATE)).warnings
    fewer = model.recognize((speech, RATE), emotions=["angry", "sad"], segments=True)
    relative = model.recognize((speech, RATE), baseline=baseline(model.metadata, mean=0.2), segments=True)
    for result in (plain.recognize((speech, RATE), segments=True), fewer, relative):
        assert UNSURE not in result.warnings
        assert not says_unsure(result)
    assert UNSURE not in model.recognize((np.zeros(RATE, np.float32), RATE)).warnings  # silence has its own


def test_relative_to_a_baseline_it_has_another_threshold(tmp_path: Path, speech: np.ndarray) -> None:
    model = loaded(tmp_path, unsure_relative=1.0)
    result = model.recognize((speech, RATE), baseline=baseline(model.metadata, mean=0.2), segments=True)
    assert UNSURE in result.warnings
    assert result.segments
    assert all(item.unsure for item in result.segments)
    raw = without_baseline(result)
    assert UNSURE not in raw.warnings
    assert not says_unsure(raw)
    assert UNSURE not in model.recognize((speech, RATE)).warnings


@pytest.mark.parametrize("temperatures", [((1, 1), (1, 2)), ((2, 1), (1, 1)), ((1, 0),), ((1, -1),)])
def test_temperatures_that_mean_nothing_are_refused(temperatures: Any) -> None:
    with pytest.raises(ValidationError, match="rise"):
        Calibration(temperatures=temperatures)
