"""Readouts of every kind, through a model whose numbers can be worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.emotions import NAMES
from emovox.errors import UnknownEmotionError
from emovox.inference.recognition import NO_HEAD, Recognition, Segment
from emovox.inference.recognizer import Recognizer
from emovox.models.readout import Readout
from support import tiny

RATE = 16_000
ALL = (tiny.CALLS, tiny.MOODS, tiny.DIMENSIONS, tiny.PEAK)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def means(sound: np.ndarray) -> np.ndarray:
    """The tiny model's frames: means of 400 samples, every 320."""
    starts = range(0, len(sound) - tiny.LEAST + 1, tiny.HOP)
    return np.array([sound[start : start + tiny.LEAST].mean(dtype=np.float64) for start in starts])


def expected(readout: Readout, frames: np.ndarray) -> list[float]:
    """What a readout of the tiny model gives for some frames of one window."""
    times = np.arange(1, len(readout.labels) + 1)
    mean = frames.mean()
    logits = {"linear": mean, "pooled": np.tanh(mean), "window": frames.max()}[readout.kind] * times
    if readout.activation == "none":
        return list(logits)
    return list(softmax(logits) if readout.activation == "softmax" else 1 / (1 + np.exp(-logits)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    return Recognizer(tiny.write(tmp_path_factory.mktemp("model") / "tiny.onnx", readouts=ALL))


def numbers(item: Any) -> list[float]:
    return list((item.values if item.scores is None else item.scores).values())


def test_the_whole_the_segments_and_the_curve(model: Recognizer, speech: np.ndarray) -> None:
    sound = np.concatenate([speech, np.zeros(RATE, np.float32), 0.5 * speech + 0.1])
    result = model.recognize((sound, RATE), granularity="frame", segments=True, smoothing=0.5)
    frames = means(sound)
    assert list(result.readouts) == [readout.name for readout in ALL]
    assert result.frames is not None
    assert len(result.segments or []) > 1
    for readout in ALL:
        item, curve = result.readouts[readout.name], result.frames.readouts[readout.name]
        assert (item.kind, item.range) == (readout.kind, readout.range)
        np.testing.assert_allclose(numbers(item), expected(readout, frames), atol=1e-5)
        if item.scores is not None:
            assert item.confidence == max(item.scores.values()) == item.scores[item.label or ""]
        assert curve.labels == list(readout.labels)
        half = round(0.5 / 0.02) // 2
        for index in (0, 7, len(frames) // 2, len(frames) - 1):
            near = frames[max(0, index - half) : index + half + 1]
            np.testing.assert_allclose(curve.numbers[index], expected(readout, near), atol=1e-5)
        assert (curve.logits is not None) == (readout.kind == "linear")
    for segment in result.segments or []:
        times = result.frames.times
        inside = frames[(segment.start <= times) & (times < segment.end)]
        for readout in (tiny.CALLS, tiny.DIMENSIONS, tiny.PEAK):
            np.testing.assert_allclose(
                numbers(segment.readouts[readout.name]), expected(readout, inside), atol=1e-5
            )


def test_several_labels_of_one_emotion_are_added_up(model: Recognizer, speech: np.ndarray) -> None:
    result = model.recognize((speech, RATE), granularity="frame", segments=True)
    assert result.frames is not None
    assert result.frames.logits is None  # which the sums have not
    items: list[Recognition | Segment] = [result, *(result.segments or [])]
    for item in items:
        own = item.readouts["emotion"].scores
        assert own is not None
        assert item.scores is not None
        assert item.scores["angry"] == pytest.approx(own["angry"] + own["furious"])
        assert item.scores["neutral"] == pytest.approx(own["calm"])
        assert {name for name, score in item.scores.items() if score} == {"angry", "neutral", "happy"}
        assert item.confidence == max(item.scores.values())
    assert result.model.emotions == tiny.CALLS.emotions
    curve = result.frames.readouts["emotion"].numbers
    assert result.frames.scores is not None
    angry = result.frames.scores[:, NAMES.index("angry")]
    np.testing.assert_allclose(angry, curve[:, 1] + curve[:, 2], atol=1e-6)


def test_restricted_emotions_restrict_the_classes_they_come_from(model: Recognizer, speech: np.ndarray) -> None:
    result = model.recognize((speech, RATE), emotions=["angry", "happy"])
    own = result.readouts["emotion"].scores
    assert own is not None
    assert own["calm"] == 0
    assert sum(own.values()) == pytest.approx(1)
    assert result.scores is not None
    assert result.scores["angry"] == pytest.approx(own["angry"] + own["furious"])
    others = model.recognize((speech, RATE)).readouts
    assert result.readouts["mood"] == others["mood"]


@pytest.mark.parametrize("readouts", [(tiny.FOREIGN,), (tiny.DIMENSIONS,), (tiny.MOODS, tiny.PEAK), ()])
def test_where_the_nine_do_not_follow_they_are_left_out(
    tmp_path: Path, speech: np.ndarray, readouts: tuple[Readout, ...]
) -> None:
    model = Recognizer(tiny.write(tmp_path / "m.onnx", readouts=readouts))
    result = model.recognize((speech, RATE), granularity="frame", segments=True, merge=True)
    data = result.to_dict()
    for part in (data, *data["segments"]):
        assert not {"emotion", "confidence", "scores"} & part.keys()
    assert not {"labels", "logits", "scores"} & data["frames"].keys()
    assert (NO_HEAD in result.warnings) == (not readouts)
    assert list(result.readouts) == [readout.name for readout in readouts]
    assert Recognition.from_json(result.to_json()).to_json() == result.to_json()
    silent = model.recognize((0 * speech, RATE), granularity="frame", segments=True)
    assert (silent.emotion, silent.readouts, silent.warnings[0]) == (None, {}, "silence")
    with pytest.raises(UnknownEmotionError, match="doesn't give the nine"):
        model.recognize((speech, RATE), emotions=["sad"])


def test_what_does_not_count_is_no_number(model: Recognizer, speech: np.ndarray) -> None:
    sound = np.concatenate([speech, np.zeros(2 * RATE, np.float32), speech])
    result = model.recognize((sound, RATE), granularity="frame", segments=True, speech_only=True)
    assert result.frames is not None
    times = result.frames.times
    inside = np.any([(item.start <= times) & (times < item.end) for item in result.segments or []], axis=0)
    assert 0.1 < inside.mean() < 0.9
    for curve in result.frames.readouts.values():
        np.testing.assert_array_equal(np.isnan(curve.numbers).all(axis=1), ~inside)
        assert not np.isnan(curve.numbers[inside]).any()
    counted = means(sound)[inside]
    np.testing.assert_allclose(
        numbers(result.readouts["dimensions"]), expected(tiny.DIMENSIONS, counted), atol=1e-5
    )
    assert Recognition.from_json(result.to_json()).to_json() == result.to_json()


@given(seed=st.integers(0, 50), count=st.integers(1, 4), by_frame=st.booleans())
def test_batched_is_as_single(model: Recognizer, seed: int, count: int, by_frame: bool) -> None:
    random = np.random.default_rng(seed)
    sounds = [
        (random.standard_normal(size).astype(np.float32), RATE) for size in random.integers(400, 9_000, count)
    ]
    options: dict[str, Any] = {"granularity": "frame" if by_frame else "utterance"}
    model._engine._session.batches = True  # as on a GPU
    together = list(model.recognize_many(sounds, **options))
    model._engine._session.batches = False
    for sound, one in zip(sounds, together, strict=True):
        alone = model.recognize(sound, **options)
        assert one.scores == pytest.approx(alone.scores, abs=1e-5)
        for name in alone.readouts:
            assert numbers(one.readouts[name]) == pytest.approx(numbers(alone.readouts[name]), abs=1e-5)


def test_a_live_stream_gives_them_too(model: Recognizer, speech: np.ndarray) -> None:
    live = model.live()
    events = [event.to_dict() for event in live.push(speech)]
    spoken = [event for event in events if event["type"] == "update" and event["readouts"]]
    assert spoken
    assert set(spoken[-1]["readouts"]) == {readout.name for readout in ALL}
    values = spoken[-1]["readouts"]["dimensions"]["values"]
    assert values["dominance"] == pytest.approx(2 * values["arousal"], abs=1e-6)


def test_a_stream_of_values_alone_has_no_emotion(tmp_path: Path, speech: np.ndarray) -> None:
    live = Recognizer(tiny.write(tmp_path / "m.onnx", readouts=(tiny.DIMENSIONS,))).live()
    updates = [event.to_dict() for event in live.push(speech)]
    assert any(event["readouts"] for event in updates)
    assert all(event["type"] == "update" and event["emotion"] is None for event in updates)
