"""Speech alone: what counts in a call's one side, and that verdict, embedding, head and curve agree on it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.archive.outputs_directory import read_directory
from emovox.emotions import NAMES
from emovox.inference import stored_result as stored
from emovox.inference.options import Options
from emovox.inference.recognition import Recognition, Segment
from emovox.inference.recognizer import Recognizer
from emovox.models.converted.clips import example_clips
from emovox.outputs import RESULT, Outputs
from emovox.saving import Saving
from support.heads import head
from support.results import frame_scores, frames, nine, recognition, segment, verdict

RATE = 16_000
UNKNOWN = NAMES.index("unknown")


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


@pytest.fixture(scope="module")
def call() -> tuple[np.ndarray, int]:
    """Two who speak in turn, one a channel: (n, 2) and its rate."""
    one, other = example_clips()[:2]
    left = np.concatenate([one, silence(len(other) / RATE), one, silence(len(other) / RATE + 3)])
    right = np.concatenate([silence(len(one) / RATE), other, silence(len(one) / RATE), other, silence(3)])
    return np.stack([left, right], axis=1), RATE


def spoken(recognition: Recognition) -> np.ndarray:
    """Which frames are speech, going by the segments."""
    assert recognition.frames is not None
    times, inside = recognition.frames.times, np.zeros(len(recognition.frames.times), bool)
    for item in recognition.segments or []:
        inside |= (item.start <= times) & (times < item.end)
    return inside


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"channel": 2}, True),
        ({"channel": 2, "speech_only": False}, False),
        ({"speech_only": True}, True),
        ({"track": 1}, False),
    ],
)
def test_a_channel_is_judged_by_its_speech_unless_somebody_says(options: dict[str, Any], expected: bool) -> None:
    assert Options(**options).by_speech is expected


def test_a_side_is_what_its_speech_alone_is(recognizer: Recognizer, call: tuple[np.ndarray, int]) -> None:
    side = recognizer.recognize(call, channel=1)
    asked = recognizer.recognize((call[0][:, 0].copy(), RATE), speech_only=True)
    whole = recognizer.recognize(call, channel=1, speech_only=False)
    assert side.scores == pytest.approx(asked.scores, abs=1e-6)
    assert side.scores != pytest.approx(whole.scores, abs=0.01)
    assert (side.speech_only, asked.speech_only, whole.speech_only) == (True, True, False)
    [many] = recognizer.recognize_many([call], channel=1)
    assert many.speech_only
    assert many.scores == pytest.approx(side.scores, abs=1e-6)


@pytest.mark.parametrize("repeated", [1, 3])  # within one window, and over many
def test_verdict_embedding_head_and_curve_are_of_the_same_frames(
    recognizer: Recognizer, call: tuple[np.ndarray, int], repeated: int
) -> None:
    sound, own = (np.tile(call[0], (repeated, 1)), RATE), head(recognizer.metadata)
    options: dict[str, Any] = {"channel": 2, "embedding": True, "head": own}
    result = recognizer.recognize(sound, **options)
    curve = recognizer.recognize(sound, granularity="frame", segments=True, **options)
    count = spoken(curve)
    assert curve.frames is not None
    assert curve.embedding is not None
    assert result.embedding is not None
    assert 0.1 < count.mean() < 0.5
    expected = verdict(curve.frames, recognizer.metadata, curve.recording.speech or 0, count)
    embedding = curve.embedding[count].mean(axis=0, dtype=np.float64)
    for one in (result, curve):
        np.testing.assert_allclose([nine(one)[name] for name in NAMES], expected, atol=1e-4)
        assert one.mean_embedding is not None
        np.testing.assert_allclose(one.mean_embedding, embedding, rtol=1e-3, atol=1e-4)
        scores = one.readouts["calls"].scores
        assert scores is not None
        np.testing.assert_allclose(list(scores.values()), own.scores(embedding), atol=1e-4)
    np.testing.assert_allclose(result.embedding[0], embedding, rtol=1e-3, atol=1e-4)
    assert (frame_scores(curve.frames)[~count, UNKNOWN] == 1).all()
    assert np.isnan(curve.frames.readouts["calls"].numbers[~count]).all()
    flat = recognizer.recognize(sound, granularity="frame", smoothing=1000, segments=True, **options).frames
    assert flat is not None
    curve_alone = verdict(
        curve.frames, recognizer.metadata, np.inf, count
    )  # its temperature is that of long speech
    np.testing.assert_allclose(frame_scores(flat)[count], np.tile(curve_alone, (count.sum(), 1)), atol=1e-4)
    np.testing.assert_allclose(flat.readouts["calls"].numbers[count][0], own.scores(embedding), atol=1e-4)


def test_where_nobody_speaks_there_is_no_verdict(recognizer: Recognizer) -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal((5 * RATE, 2))).astype(np.float32)
    options: dict[str, Any] = {"granularity": "frame", "segments": True, "head": head(recognizer.metadata)}
    side = recognizer.recognize((noise, RATE), channel=1, **options)
    assert (side.emotion, side.confidence, side.warnings) == ("unknown", 1, ["no_speech"])
    assert (side.readouts, side.segments) == ({}, [])
    assert side.frames is not None
    assert (frame_scores(side.frames)[:, UNKNOWN] == 1).all()
    assert side.frames.readouts == {}
    whole = recognizer.recognize((noise, RATE), channel=1, speech_only=False, **options)
    assert (whole.warnings, list(whole.readouts)) == (["no_speech"], ["calls"])
    assert recognizer.recognize((0 * noise, RATE), channel=1).warnings == ["silence"]


def test_little_speech_is_worth_a_warning_where_the_rest_counts(recognizer: Recognizer) -> None:
    clip = example_clips()[0]
    spoken = recognizer.recognize((clip, RATE)).recording.speech or 0
    rest = spoken / (1 / 3) - len(clip) / RATE
    little, enough = (np.concatenate([clip, silence(rest + more)]) for more in (0.3, -0.3))
    assert recognizer.recognize((little, RATE)).warnings == ["mostly_silence"]
    assert recognizer.recognize((little, RATE), segments=True).warnings == ["mostly_silence"]
    assert recognizer.recognize((little, RATE), speech_only=True).warnings == []
    assert recognizer.recognize((enough, RATE)).warnings == []
    long = np.concatenate([clip, silence(40)])
    assert recognizer.recognize((long, RATE)).warnings == ["mostly_silence"]


def test_results_that_do_not_say_stay_as_they_are(tmp_path: Path) -> None:
    old = recognition()
    assert "speech_only" not in old.to_dict()
    assert '"speech_only"' not in old.to_json()
    assert Recognition.from_json(old.to_json()).to_json() == old.to_json()
    for value in (True, False):
        said = recognition(speech_only=value)
        (tmp_path / RESULT).write_text(said.to_json())
        assert json.loads(said.to_json())["speech_only"] is value
        assert stored.read(tmp_path / RESULT) == said


@pytest.mark.parametrize("asked", [True, False])
def test_the_archive_has_the_embedding_of_what_counts(
    recognizer: Recognizer, call: tuple[np.ndarray, int], tmp_path: Path, asked: bool
) -> None:
    expected = recognizer.recognize(call, channel=1, embedding=True).embedding
    assert expected is not None
    with Saving(Outputs(tmp_path), embeddings=asked, archive="later").begin() as save:
        options = save.options(Options(channel=1, granularity="frame", embedding=asked))
        save.commit(
            recognizer.recognize(call, sink=save.sink, embedding_sink=save.embedding_sink, **vars(options))
        )
    record, place = save.record(), save.directory
    assert record is not None
    assert place is not None
    assert record.embedding is not None
    np.testing.assert_allclose(record.embedding, expected[0], rtol=1e-3, atol=1e-4)
    if asked:  # and so has who imports the files
        imported = read_directory(place).embedding
        assert imported is not None
        np.testing.assert_allclose(imported, expected[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("speech_only", "expected"), [(True, 1.0), (False, 0.5), (None, 0.5)])
def test_an_import_takes_the_frames_that_count(tmp_path: Path, speech_only: bool | None, expected: float) -> None:
    curve, segments = frames(10), list[Segment]([segment(0, 0.1)])
    frame_scores(curve)[5:] = np.eye(len(NAMES))[UNKNOWN]
    with Outputs(tmp_path).draft() as draft:
        draft.write(silence(1))
        draft.write_embedding(np.repeat([[1.0], [0.0]], 5, axis=0).astype(np.float32))
        place = draft.publish(
            recognition(granularity="frame", frames=curve, segments=segments, speech_only=speech_only)
        )
    assert read_directory(place).embedding == pytest.approx([expected])
