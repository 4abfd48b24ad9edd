"""Recordings of several sentences: the emotion of each, whichever way they come."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.emotions import NAMES
from emovox.errors import NoAudioError
from emovox.inference.recognition import Recognition, Segment
from emovox.inference.recognizer import Recognizer
from emovox.models.scores import to_scores
from support import tiny
from support.results import frame_logits, frame_scores, nine, verdict

RATE = 16_000


@dataclass(frozen=True)
class Joined:
    """Clips with pauses between them: where each lies, seconds, and its emotion."""

    waveform: np.ndarray
    places: list[tuple[float, float]]
    emotions: list[str]


def read(path: Path) -> np.ndarray:
    with open_recording(path, max_bytes=1 << 20) as recording, decode(recording, max_seconds=60) as decoding:
        return np.concatenate(list(decoding.blocks()))


def join(paths: list[Path], *, pause: float = 0.9, seed: int = 0) -> Joined:
    rng = np.random.default_rng(seed)
    pieces, places, size = [], [], 0.0
    for path in paths:
        clip = read(path)
        scaled = clip * np.float32(0.5 / np.abs(clip).max())
        silence = np.zeros(int(RATE * pause * rng.uniform(0.8, 1.5)), np.float32)
        places.append((size + len(silence) / RATE, size + (len(silence) + len(clip)) / RATE))
        pieces += [silence, scaled]
        size = places[-1][1]
    waveform = np.concatenate([*pieces, np.zeros(RATE, np.float32)])
    noisy = waveform + 1e-3 * rng.standard_normal(len(waveform))
    return Joined(noisy.astype(np.float32), places, [path.stem.rsplit("_", 1)[-1] for path in paths])


@pytest.fixture(scope="module")
def short(examples: list[Path]) -> Joined:
    """Under 30 s."""
    return join(examples[:4])


@pytest.fixture(scope="module")
def long(examples: list[Path]) -> Joined:
    """Over 30 s, cut into windows."""
    return join([*examples, *examples[::-1], *examples[:3]])


def segments_of(recognition: Recognition) -> list[Segment]:
    assert recognition.segments is not None
    return recognition.segments


def segments_at(segments: list[Segment], start: float, end: float) -> list[Segment]:
    return [item for item in segments if min(end, item.end) - max(start, item.start) > 0]


@pytest.mark.parametrize("which", ["short", "long"])
def test_each_sentence_is_found_with_its_emotion(
    recognizer: Recognizer, which: str, request: pytest.FixtureRequest
) -> None:
    joined: Joined = request.getfixturevalue(which)
    segments = segments_of(recognizer.recognize((joined.waveform, RATE), segments=True))
    right = []
    for (start, end), emotion in zip(joined.places, joined.emotions, strict=True):
        found = segments_at(segments, start, end)
        assert found, "no sentence is missed"
        assert found[0].start == pytest.approx(start, abs=0.3)
        assert found[-1].end == pytest.approx(end, abs=0.3)
        right += [item.emotion == emotion for item in found if item.end - item.start > 1]
    assert np.mean(right) >= 0.8
    for item in segments:
        assert segments_at(segments, item.start, item.end) == [item], "segments don't overlap"
        assert item.confidence == nine(item)[item.emotion or ""] == max(nine(item).values())
        assert sum(nine(item).values()) == pytest.approx(1)
        assert any(segments_at([item], start - 0.3, end + 0.3) for start, end in joined.places), "silence is none"


def test_a_sentence_is_recognised_as_it_would_be_alone(recognizer: Recognizer, short: Joined) -> None:
    """Whatever else is said, and whether or not the recording is longer than a window."""
    repeated = np.concatenate([short.waveform] * 4)
    assert len(short.waveform) < 30 * RATE < len(repeated)
    few = segments_of(recognizer.recognize((short.waveform, RATE), segments=True))
    many = segments_of(recognizer.recognize((repeated, RATE), segments=True))
    assert len(many) == 4 * len(few)
    for one, other in zip(few[:-1], many, strict=False):
        assert one.start == pytest.approx(other.start)
        np.testing.assert_allclose(list(nine(one).values()), list(nine(other).values()), atol=0.02)


def test_the_verdict_is_the_same_with_segments_and_without(recognizer: Recognizer, short: Joined) -> None:
    alone = recognizer.recognize((short.waveform, RATE))
    beside = recognizer.recognize((short.waveform, RATE), segments=True, granularity="frame", embedding=True)
    assert alone.scores == pytest.approx(beside.scores, abs=1e-5)
    assert alone.segments is None


@pytest.mark.parametrize("which", ["short", "long"])
@pytest.mark.parametrize("smoothing", [0, 1.0])
def test_the_mean_of_the_frames_is_the_verdict(
    recognizer: Recognizer, which: str, smoothing: float, request: pytest.FixtureRequest
) -> None:
    joined: Joined = request.getfixturevalue(which)
    result = recognizer.recognize((joined.waveform, RATE), granularity="frame", smoothing=smoothing)
    frames = result.frames
    assert frames is not None
    expected = verdict(frames, recognizer.metadata, result.recording.speech or 0)
    np.testing.assert_allclose(list(nine(result).values()), expected, atol=1e-5)
    half = round(smoothing / frames.hop) // 2
    for index in (0, 7, 60, len(frames) - 1):
        near = frame_logits(frames)[max(0, index - half) : index + half + 1].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(
            frame_scores(frames)[index], to_scores(near, recognizer.metadata.classes), atol=1e-5
        )
    assert frames.smoothing == smoothing


def test_speech_only_leaves_silence_out(recognizer: Recognizer, short: Joined) -> None:
    padded = np.concatenate([short.waveform, np.zeros(8 * RATE, np.float32)])
    result = recognizer.recognize((padded, RATE), speech_only=True, granularity="frame", segments=True)
    frames = result.frames
    assert frames is not None
    finder = recognizer.recognize((padded, RATE), segments=True)
    inside = np.zeros(len(frames.times), bool)
    for item in segments_of(finder):
        inside |= (item.start <= frames.times) & (frames.times < item.end)
    expected = verdict(frames, recognizer.metadata, result.recording.speech or 0, inside)
    np.testing.assert_allclose(list(nine(result).values()), expected, atol=1e-4)
    plain = recognizer.recognize((padded, RATE), speech_only=True)
    assert plain.scores == pytest.approx(result.scores, abs=1e-4)
    assert result.recording.speech == pytest.approx(sum(item.end - item.start for item in segments_of(result)))


def test_neighbours_of_one_emotion_are_merged(recognizer: Recognizer, examples: list[Path]) -> None:
    joined = join([examples[0], examples[0], examples[1]], pause=0.5)
    plain = segments_of(recognizer.recognize((joined.waveform, RATE), segments=True))
    merged = segments_of(recognizer.recognize((joined.waveform, RATE), segments=True, merge=True, embedding=True))
    assert [item.emotion for item in merged] == joined.emotions[1:]
    assert len(plain) > len(merged)
    assert (merged[0].start, merged[-1].end) == (plain[0].start, plain[-1].end)
    parts = recognizer.recognize((joined.waveform, RATE), segments=True, embedding=True).segments or []
    inside = [item for item in parts if item.end <= merged[0].end]
    assert len(inside) > 1
    # A mean of logits lies between those of its parts, so a score lies within their range, or nearly; more
    # speech is surer.
    angry = [nine(item)["angry"] for item in inside]
    assert min(angry) - 0.01 <= nine(merged[0])["angry"] <= max(angry) + 0.02
    assert nine(merged[0])["angry"] not in angry
    assert merged[0].embedding is not None
    apart = join([examples[0], examples[0]], pause=2)
    kept = segments_of(recognizer.recognize((apart.waveform, RATE), segments=True, merge=True))
    assert len(kept) >= 2, "a long silence is no emotion"


def test_no_speech(recognizer: Recognizer) -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(5 * RATE)).astype(np.float32)
    result = recognizer.recognize((noise, RATE), segments=True, speech_only=True)
    assert (result.segments, result.warnings, result.recording.speech) == ([], ["no_speech"], 0)
    silence = recognizer.recognize((np.zeros(5 * RATE, np.float32), RATE), segments=True, granularity="frame")
    assert (silence.segments, silence.warnings, silence.emotion) == ([], ["silence"], "unknown")
    assert silence.frames is not None
    assert (frame_scores(silence.frames)[:, NAMES.index("unknown")] == 1).all()


def test_speech_is_no_reason_to_warn(recognizer: Recognizer, examples: list[Path]) -> None:
    assert all(recognizer.recognize(path).warnings == [] for path in examples)


def test_channels_are_recognised_by_themselves(recognizer: Recognizer, examples: list[Path]) -> None:
    one, other = (join(examples[at : at + 2]).waveform for at in (0, 2))
    size = max(len(one), len(other))
    stereo = np.zeros((size, 2), np.float32)
    stereo[: len(one), 0], stereo[: len(other), 1] = one, other
    for channel in (1, 2):
        result = recognizer.recognize((stereo, RATE), segments=True, channel=channel)
        mono = recognizer.recognize((stereo[:, channel - 1].copy(), RATE), segments=True, speech_only=True)
        assert result.scores == pytest.approx(mono.scores, abs=1e-6)
        assert (result.recording.channel, result.recording.channels) == (channel, 2)
        assert [item.start for item in segments_of(result)] == [item.start for item in segments_of(mono)]
        assert {item.channel for item in segments_of(result)} == {channel}
    with pytest.raises(NoAudioError, match="no channel 3: it has 2 channels"):
        recognizer.recognize((stereo, RATE), channel=3)
    with pytest.raises(ValueError, match="channel 0: give 1 or more"):
        recognizer.recognize((stereo, RATE), channel=0)


def test_embeddings_of_segments_and_frames(recognizer: Recognizer, long: Joined) -> None:
    kept: list[np.ndarray] = []
    options = {"granularity": "frame", "embedding": True, "segments": True}
    result = recognizer.recognize((long.waveform, RATE), **options)  # type: ignore[arg-type]
    streamed = recognizer.recognize(
        (long.waveform, RATE),
        embedding_sink=kept.append,
        **options,  # type: ignore[arg-type]
    )
    assert result.embedding is not None
    assert result.frames is not None
    assert result.embedding.shape == (len(result.frames), recognizer.metadata.embedding_size)
    assert streamed.embedding is None
    np.testing.assert_array_equal(np.concatenate(kept), result.embedding)
    for item in segments_of(result):
        inside = (item.start <= result.frames.times) & (result.frames.times < item.end)
        assert item.embedding is not None
        np.testing.assert_allclose(item.embedding, result.embedding[inside].mean(axis=0), atol=1e-3)


@hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 60 * RATE), max_size=6))
def test_a_file_and_its_parts_in_any_blocks_give_the_same(
    tmp_path: Path, recognizer: Recognizer, long: Joined, cuts: list[int]
) -> None:
    """Many recordings together, as each alone."""
    path = tiny.write(tmp_path / "tiny.onnx")
    small = Recognizer(path)
    pieces = [piece for piece in np.split(long.waveform, sorted(set(cuts))) if len(piece) > 400]
    together = small.recognize_many([(piece, RATE) for piece in pieces], segments=True)
    for piece, result in zip(pieces, together, strict=True):
        alone = small.recognize((piece, RATE), segments=True)
        assert segments_of(result) == segments_of(alone)
        assert result.scores == alone.scores


def test_wrong_smoothing(recognizer: Recognizer, examples: list[Path]) -> None:
    with pytest.raises(ValueError, match="smoothing"):
        recognizer.recognize(examples[0], smoothing=-1)


PEAK = """
import json, resource, sys
from pathlib import Path
import numpy as np
from emovox.outputs import Outputs
from emovox.inference.recognizer import Recognizer
model, sound, seconds, place = sys.argv[1:]

class Sound:
    '''A WAV file of any length that was never on disk.'''
    def __init__(self):
        speech = (np.load(sound) * 32767).astype("<i2").tobytes()
        size = int(seconds) * 32_000
        self.left = size
        self.header = b"RIFF" + (size + 36).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
        self.header += b"\\1\\0\\1\\0" + (16_000).to_bytes(4, "little") + (32_000).to_bytes(4, "little")
        self.header += b"\\2\\0\\x10\\0data" + size.to_bytes(4, "little")
        self.speech, self.at = speech, 0
    def read(self, count):
        if self.header:
            head, self.header = self.header, b""
            return head
        piece = self.speech[self.at : self.at + min(count, self.left)]
        self.at = (self.at + len(piece)) % len(self.speech)
        self.left -= len(piece)
        return piece

with Outputs(place).draft() as draft:
    result = Recognizer(model).recognize(
        Sound(), granularity="frame", embedding=True, segments=True,
        sink=draft.write, embedding_sink=draft.write_embedding)
    draft.publish(result)
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.recording.duration]))
"""


@pytest.mark.parametrize("length", [900, pytest.param(7200, marks=pytest.mark.slow)])
@pytest.mark.skipif(sys.platform == "win32", reason="resource is not there")
def test_hours_need_hardly_more_memory_than_a_minute(tmp_path: Path, long: Joined, length: int) -> None:
    """Arrays of results included; on the tiny model, whose own memory is nothing."""
    model = tiny.write(tmp_path / "tiny.onnx")
    np.save(tmp_path / "speech.npy", long.waveform)

    def peak(seconds: int) -> float:
        arguments = [str(model), str(tmp_path / "speech.npy"), str(seconds), str(tmp_path / str(seconds))]
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PEAK), *arguments],
            capture_output=True, text=True, check=True, env=os.environ,
        )  # fmt: skip
        found, duration = json.loads(done.stdout)
        assert duration == pytest.approx(seconds)
        return float(found)

    assert peak(length) - peak(60) < 30 + length / 60  # MB; the waveform alone has a MB in 16 s
    [place] = (tmp_path / str(length)).glob("outputs_*")
    frames = json.loads((place / "result.json").read_text())["frames"]
    with np.load(place / "frames.npz") as file:
        assert len(file["logits"]) == frames["count"] == len(np.load(place / "embedding.npy", mmap_mode="r"))


def test_a_last_short_word_has_its_own_segment(recognizer: Recognizer, examples: list[Path]) -> None:
    """Whatever was said before it."""
    word = read(examples[4])[: int(0.7 * RATE)]
    words = []
    for before in examples[:2]:
        clip = read(before)
        joined = np.concatenate([clip, np.zeros(int(0.45 * RATE), np.float32), word])
        *_, last = segments_of(recognizer.recognize((joined, RATE), segments=True))
        assert last.start > (len(clip) - 0.1 * RATE) / RATE
        words.append(last)
    for said, item in zip(("angry", "happy"), words, strict=True):
        assert nine(item)[said] < 0.15
    # Where it begins is found to some frames, and in so short a word they count.
    np.testing.assert_allclose(list(nine(words[0]).values()), list(nine(words[1]).values()), atol=0.25)


def test_merging_is_asking_for_segments(recognizer: Recognizer, examples: list[Path]) -> None:
    assert recognizer.recognize(examples[0], merge=True).segments


def test_long_silence_colours_nothing_when_only_speech_counts(
    recognizer: Recognizer, examples: list[Path]
) -> None:
    clip = read(examples[1])
    padded = np.concatenate([np.zeros(8 * RATE, np.float32), clip, np.zeros(8 * RATE, np.float32)])
    plain = recognizer.recognize((clip, RATE), speech_only=True)
    result = recognizer.recognize((padded, RATE), speech_only=True)
    np.testing.assert_allclose(list(nine(result).values()), list(nine(plain).values()), atol=0.1)
