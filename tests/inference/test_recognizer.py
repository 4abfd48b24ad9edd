import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox import errors
from emovox.audio.recording import Source
from emovox.emotions import NAMES
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.models.readout import temperature
from emovox.settings import settings
from emovox.version import __version__
from support import poison, tiny
from support.results import frame_scores, nine

Encode = Callable[..., Path]


def emotion_of(path: Path) -> str:
    return path.stem.rsplit("_", 1)[-1]


def alike(one: Recognition, other: Recognition, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(list(nine(one).values()), list(nine(other).values()), atol=tolerance)
    assert one.recording == other.recording
    assert one.warnings == other.warnings
    assert (one.embedding is None) == (other.embedding is None)
    if one.embedding is not None and other.embedding is not None:
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-3)


def test_real_speech_of_seven_emotions(recognizer: Recognizer, examples: list[Path]) -> None:
    assert len(examples) == 7
    assert {emotion_of(path) for path in examples} == set(NAMES) - {"surprised", "unknown"}
    for path in examples:
        assert recognizer.recognize(path).emotion == emotion_of(path)


def test_what_a_recognition_says(recognizer: Recognizer, examples: list[Path]) -> None:
    before = datetime.now().astimezone()
    result = recognizer.recognize(examples[0])
    assert before <= result.created_at <= before + timedelta(minutes=1)
    assert result.timestamp == result.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert result.top(1) == [(result.emotion, result.confidence)]
    assert list(nine(result)) == list(NAMES)
    assert sum(nine(result).values()) == pytest.approx(1, abs=1e-9)
    assert all(nine(result)[name] == 0 for name in NAMES if name not in recognizer.metadata.classes)
    assert result.recording.name == examples[0].name
    assert (result.recording.sample_rate, result.recording.channels, result.recording.codec) == (16_000, 1, "flac")
    assert result.model == recognizer.model
    assert (result.model.name, result.emovox, result.warnings) == ("lite", __version__, [])
    assert (result.frames, result.embedding) == (None, None)


def test_frames_explain_the_verdict(recognizer: Recognizer, speech: np.ndarray) -> None:
    source = (speech, 16_000)
    result = recognizer.recognize(source, granularity="frame", embedding=True)
    count = 1 + (len(speech) - recognizer.metadata.minimum_samples) // recognizer.metadata.hop
    assert result.frames is not None
    assert result.embedding is not None
    assert frame_scores(result.frames).shape == (count, 9)
    assert result.embedding.shape == (count, recognizer.metadata.embedding_size)
    assert result.embedding.dtype == np.float32
    np.testing.assert_allclose(frame_scores(result.frames).sum(axis=1), 1, atol=1e-5)
    assert result.frames.times[-1] < len(speech) / 16_000
    whole = recognizer.recognize(source, embedding=True)
    assert whole.embedding is not None
    assert whole.embedding.shape == (1, recognizer.metadata.embedding_size)
    np.testing.assert_allclose(result.embedding.mean(axis=0, keepdims=True), whole.embedding, atol=1e-3)
    np.testing.assert_allclose(list(nine(result).values()), list(nine(whole).values()), atol=1e-4)
    # The verdict is the softmax of the mean of the frames' logits, which log scores are, up to a constant a frame;
    # those of little speech are divided.
    taught = [name in recognizer.metadata.classes for name in NAMES]
    plain = recognizer.recognize(source, granularity="frame", smoothing=0).frames
    assert plain is not None
    logs = np.log(frame_scores(plain)[:, taught].astype(np.float64) + 1e-30)
    assert recognizer.metadata.emotions is not None
    divisor = temperature(recognizer.metadata.emotions.temperatures, whole.recording.speech or 0)
    mean = np.exp(logs.mean(axis=0) / divisor)
    np.testing.assert_allclose(mean / mean.sum(), np.array(list(nine(whole).values()))[taught], atol=1e-3)


@hypothesis_settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(7)), tails=st.lists(st.integers(400, 20_000), min_size=7, max_size=7))
def test_many_equal_one_by_one(
    recognizer: Recognizer, examples: list[Path], speech: np.ndarray, order: list[int], tails: list[int]
) -> None:
    sources = [examples[number] if number % 2 else (speech[: tails[number]], 16_000) for number in order]
    together = list(recognizer.recognize_many(sources, embedding=True))
    for source, result in zip(sources, together, strict=True):
        alike(result, recognizer.recognize(source, embedding=True))


def test_every_kind_of_source_is_the_same_recording(recognizer: Recognizer, examples: list[Path]) -> None:
    path = examples[1]
    reference = recognizer.recognize(path)
    with path.open("rb") as file:
        for source in (str(path), path.read_bytes(), file):
            alike(recognizer.recognize(source, name=path.name), reference, 0)


def test_a_long_recording_is_pooled_over_windows(recognizer: Recognizer, speech: np.ndarray) -> None:
    long = np.tile(speech, 40)[: 75 * 16_000 + 123]
    blocks: list[np.ndarray] = []
    result = recognizer.recognize((long, 16_000), granularity="frame", embedding=True, sink=blocks.append)
    np.testing.assert_array_equal(np.concatenate(blocks), long)
    count = 1 + (len(long) - recognizer.metadata.minimum_samples) // recognizer.metadata.hop
    assert result.frames is not None
    assert result.embedding is not None
    assert len(result.frames) == len(result.embedding) == count
    short = recognizer.recognize((np.tile(speech, 5)[: 9 * 16_000], 16_000))
    assert result.emotion == short.emotion
    assert result.recording.duration == len(long) / 16_000


def test_windows_give_what_they_give_alone(tmp_path: Path) -> None:
    """With a model that looks at one frame at a time, cutting changes nothing at all."""
    recognizer = Recognizer(tiny.write(tmp_path / "tiny.onnx"))
    noise = np.random.default_rng(3).standard_normal(100 * 16_000 + 7).astype(np.float32) / 5
    result = recognizer.recognize((noise, 16_000), granularity="frame", embedding=True)
    means = np.convolve(noise, np.full(400, 1 / 400), "valid")[::320]
    assert result.embedding is not None
    np.testing.assert_allclose(result.embedding[:, 0], means, atol=1e-5)
    pooled = recognizer.recognize((noise, 16_000), embedding=True)
    assert pooled.embedding is not None
    np.testing.assert_allclose(pooled.embedding, means.mean(), atol=1e-6)


def test_restricted_classes(recognizer: Recognizer, examples: list[Path]) -> None:
    free = nine(recognizer.recognize(examples[0]))
    names = ["sad", "happy"]
    result = recognizer.recognize(examples[0], emotions=names, granularity="frame")
    assert {name for name, score in nine(result).items() if score} == set(names)
    expected = free["happy"] / (free["happy"] + free["sad"])
    assert nine(result)["happy"] == pytest.approx(expected, rel=1e-3)
    assert result.frames is not None
    assert (frame_scores(result.frames)[:, NAMES.index("angry")] == 0).all()
    with pytest.raises(errors.UnknownEmotionError, match="'joy'"):
        recognizer.recognize(examples[0], emotions=["joy"])
    with pytest.raises(errors.UnknownEmotionError, match="not a string"):
        recognizer.recognize(examples[0], emotions="happy")


def test_untaught_emotions_are_said(tmp_path: Path, examples: list[Path]) -> None:
    recognizer = Recognizer(tiny.write(tmp_path / "tiny.onnx"))
    untaught = [name for name in NAMES if name not in recognizer.metadata.classes]
    assert "surprised" in untaught
    with pytest.raises(errors.UnknownEmotionError, match="doesn't know"):
        recognizer.recognize(examples[0], emotions=untaught)


def test_silence_is_unknown(recognizer: Recognizer) -> None:
    result = recognizer.recognize((np.zeros(48_000, np.int16), 16_000), granularity="frame", embedding=True)
    assert (result.emotion, result.confidence, result.warnings) == ("unknown", 1.0, ["silence"])
    assert sum(nine(result).values()) == 1
    assert result.frames is not None
    assert (frame_scores(result.frames)[:, NAMES.index("unknown")] == 1).all()
    assert result.embedding is not None
    assert np.isfinite(result.embedding).all()


def test_warnings(recognizer: Recognizer, speech: np.ndarray, examples: list[Path], tmp_path: Path) -> None:
    assert recognizer.recognize((speech[:8_000], 16_000)).warnings == ["short"]
    loud = np.clip(speech / np.abs(speech).max() * 20, -1, 1)
    assert recognizer.recognize((loud, 16_000)).warnings == ["clipped"]
    assert recognizer.recognize((speech / np.abs(speech).max() * 0.005, 16_000)).warnings == ["quiet"]
    data = examples[0].read_bytes()
    assert recognizer.recognize(data[: len(data) * 2 // 3]).warnings[-1] == "truncated"


def test_one_bad_recording_does_not_stop_the_others(recognizer: Recognizer, examples: list[Path]) -> None:
    sources: list[Source] = [examples[0], b"not audio", "gone.wav", examples[1], (np.zeros(10), 16_000)]
    results = list(recognizer.recognize_many(sources, on_error="return"))
    assert [type(result).__name__ for result in results] == [
        "Recognition", "UnreadableAudioError", "RecordingNotFoundError", "Recognition", "TooShortError",
    ]  # fmt: skip
    stream = recognizer.recognize_many(sources)
    assert next(stream).recording.name == examples[0].name
    with pytest.raises(errors.UnreadableAudioError):
        next(stream)
    assert list(recognizer.recognize_many([])) == []


def test_a_recording_that_breaks_midway_spoils_no_other(recognizer: Recognizer, examples: list[Path]) -> None:
    broken = np.ones(100 * 16_000, np.float32) / 2
    broken[-1] = np.nan
    good = recognizer.recognize(examples[0])
    results = list(recognizer.recognize_many([examples[0], (broken, 16_000), examples[0]], on_error="return"))
    assert isinstance(results[1], errors.UnreadableAudioError)
    for result in (results[0], results[2]):
        assert isinstance(result, Recognition)
        alike(result, good)


def test_a_model_that_fails_is_the_error_of_the_recordings_it_failed_on(
    recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise errors.ModelError("out of memory")

    monkeypatch.setattr("emovox.models.runtime.engine.Engine.run", fail)
    [result] = recognizer.recognize_many([examples[0]], on_error="return")
    assert isinstance(result, errors.ModelError)
    with pytest.raises(errors.ModelError, match="out of memory"):
        recognizer.recognize(examples[0])


def test_limits_come_from_the_settings(
    recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_MAX_DURATION", "1")
    settings.cache_clear()
    with pytest.raises(errors.TooLargeError, match="EMOVOX_MAX_DURATION"):
        recognizer.recognize(examples[0])
    monkeypatch.setenv("EMOVOX_MAX_DURATION", "60")
    monkeypatch.setenv("EMOVOX_MAX_FILE_SIZE", "1000")
    settings.cache_clear()
    with pytest.raises(errors.TooLargeError, match="EMOVOX_MAX_FILE_SIZE"):
        recognizer.recognize(examples[0])


def test_wrong_options_are_said(recognizer: Recognizer, examples: list[Path]) -> None:
    with pytest.raises(ValueError, match="choose utterance or frame"):
        recognizer.recognize(examples[0], granularity="word")  # type: ignore[arg-type]
    with pytest.raises(errors.ModelError, match="is fp32 and can't be computed in int8"):
        Recognizer("lite", precision="int8")
    with pytest.raises(errors.UnknownModelError, match="auto, lite"):
        Recognizer("huge")
    assert Recognizer("lite", precision=recognizer.model.precision).model == recognizer.model


def test_it_takes_results_as_they_are_asked_for(recognizer: Recognizer, speech: np.ndarray) -> None:
    """An endless iterable is read no further than a batch ahead."""
    taken: list[float] = []

    def endless() -> Iterator[tuple[np.ndarray, int]]:
        while True:
            taken.append(time.monotonic())
            yield speech, 16_000

    stream = recognizer.recognize_many(endless())
    for _ in range(3):
        next(stream)
    assert len(taken) < 60


def test_isolated_it_hears_the_same(recognizer: Recognizer, examples: list[Path], speech: np.ndarray) -> None:
    isolated = Recognizer("lite", isolate=True)
    for source in (examples[0], examples[0].read_bytes(), (speech, 16_000)):
        blocks: list[np.ndarray] = []
        one = isolated.recognize(source, segments=True, granularity="frame", sink=blocks.append)
        other = recognizer.recognize(source, segments=True, granularity="frame")
        assert one.scores == other.scores
        assert (one.recording, one.warnings, one.segments) == (other.recording, other.warnings, other.segments)
        np.testing.assert_array_equal(np.concatenate(blocks), speech)


def test_isolated_what_breaks_a_decoder_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    poison.poison(monkeypatch, tmp_path)
    monkeypatch.setenv("EMOVOX_DECODE_STALL", "1")
    settings.cache_clear()
    sources: list[Path] = []
    for number, content in enumerate((poison.CRASH, poison.HANG, poison.KILL)):
        sources += [examples[number], tmp_path / f"{number}.wav"]
        sources[-1].write_bytes(content)
    recognizer = Recognizer("lite", isolate=True)
    results = list(recognizer.recognize_many(sources, on_error="return"))
    assert [type(result).__name__ for result in results] == ["Recognition", "BrokenDecoderError"] * 3
    assert [result.emotion for result in results if isinstance(result, Recognition)] == [
        emotion_of(path) for path in examples[:3]
    ]
    with pytest.raises(errors.BrokenDecoderError, match=r"^0\.wav: .*leave it out, or convert it"):
        recognizer.recognize(sources[1])


def test_isolated_without_a_process_nothing_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    poison.poison(monkeypatch, tmp_path, at_start="os._exit(1)")
    recognizer = Recognizer("lite", isolate=True)
    with pytest.raises(errors.DecoderError, match="no decoding process can be started"):
        recognizer.recognize(examples[0])
    with pytest.raises(errors.DecoderError, match="no decoding process can be started"):
        next(recognizer.recognize_many(examples, on_error="return"))
