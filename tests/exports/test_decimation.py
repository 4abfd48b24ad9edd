import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from emovox.audio.waveform import Waveform
from emovox.errors import OutputsError
from emovox.exports import decimation
from emovox.exports.decimation import curves, envelope
from support.results import frames


def sound(path: Path, count: int, seed: int = 0) -> Waveform:
    samples = (np.random.default_rng(seed).uniform(-1, 1, count) * np.linspace(0, 1, count)).astype(np.float32)
    writer = WavWriter(path)
    writer.write(samples)
    writer.close()
    pcm: Waveform = np.rint(samples * np.float32(32768)) / np.float32(32768)
    return pcm


@pytest.mark.parametrize(("count", "columns"), [(1, 10), (9, 10), (10, 10), (1003, 10), (40_000, 1700)])
@pytest.mark.parametrize("block", [1, 1000, 2**20])
def test_the_envelope_is_each_columns_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, columns: int, block: int
) -> None:
    monkeypatch.setattr(decimation, "_BLOCK", block)
    samples = sound(tmp_path / "x.wav", count)
    found = envelope(tmp_path / "x.wav", columns)
    edges = [place * count // min(columns, count) for place in range(min(columns, count) + 1)]
    pairs = list(pairwise(edges))
    np.testing.assert_allclose(found.lowest, [samples[first:last].min() for first, last in pairs], atol=1e-7)
    np.testing.assert_allclose(found.highest, [samples[first:last].max() for first, last in pairs], atol=1e-7)
    np.testing.assert_allclose(found.times, [(first + last) / 32_000 for first, last in pairs])


def test_no_sample_at_all(tmp_path: Path) -> None:
    sound(tmp_path / "x.wav", 0)
    assert len(envelope(tmp_path / "x.wav", 10).times) == 0


def test_what_is_no_sound_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"RIFF, or so they say")
    with pytest.raises(OutputsError, match=r"x\.wav: can't be read"):
        envelope(path, 10)
    sound(path, 1000)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(OutputsError, match=r"x\.wav: can't be read: it is cut short"):
        envelope(path, 10)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(4000))
    with pytest.raises(OutputsError, match="not a 16-bit mono WAV"):
        envelope(path, 10)


@pytest.mark.parametrize(("count", "columns"), [(1, 10), (10, 10), (1003, 10)])
def test_curves_are_each_columns_mean(count: int, columns: int) -> None:
    given = frames(count)
    assert given.scores is not None
    times, scores = curves(given, given.scores, columns)
    edges = [place * count // min(columns, count) for place in range(min(columns, count) + 1)]
    pairs = list(pairwise(edges))
    np.testing.assert_allclose(scores, [given.scores[first:last].mean(axis=0) for first, last in pairs], rtol=1e-5)
    np.testing.assert_allclose(times, [given.times[first:last].mean() for first, last in pairs])
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_no_frame_at_all() -> None:
    given = frames(0)
    assert given.scores is not None
    times, scores = curves(given, given.scores, 10)
    assert (times.shape, scores.shape) == ((0,), (0, 9))


def test_frames_that_do_not_count_leave_gaps() -> None:
    numbers = np.array([[1, 2], [3, np.nan], [np.nan, np.nan], [np.nan, np.nan]], np.float32)
    _, means = curves(frames(4), numbers, 2)
    np.testing.assert_array_equal(means, [[2, 2], [np.nan, np.nan]])
