from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from emovox.audio.survey import MINUTE, Survey
from emovox.errors import NoAudioError
from support.zoo import decoded, ffmpeg, film, likeness, wav

Sound = NDArray[np.float32]


def frames(samples: NDArray[np.generic], size: int = 1024) -> Iterator[tuple[NDArray[np.generic], float]]:
    return ((samples[first : first + size], 16_000) for first in range(0, len(samples), size))


def stereo(one: Sound, other: Sound) -> Sound:
    return np.stack([one, other], axis=1).astype(np.float32)


def test_unlike_channels_are_heard_together(speech: Sound) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, len(speech)).astype(np.float32)
    late = np.concatenate([np.zeros(80, np.float32), speech[:-80]])
    for channels in (
        stereo(speech, speech),
        stereo(speech, 0 * speech),
        stereo(speech, noise),
        stereo(speech, late),
        stereo(speech, -0.3 * speech),
        np.repeat(speech[:, np.newaxis], 16, axis=1) * (np.arange(16) == 5),
    ):
        assert Survey(frames(channels)).louder is None


def test_channels_that_cancel(speech: Sound) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (len(speech), 2)).astype(np.float32)
    assert Survey(frames(stereo(speech, -speech) + noise)).louder in {1, 2}
    assert Survey(frames(stereo(0.8 * speech, -speech) + 0.1)).louder == 2, "with an offset"
    four = np.stack([speech, -speech, 0.9 * speech, -0.9 * speech], axis=1)
    assert Survey(frames(four)).louder in {1, 2}


def test_the_first_minute_of_sound_decides(speech: Sound) -> None:
    silence = np.zeros((90 * 16_000, 2), np.float32)
    inverted = stereo(speech, -speech)
    minute = np.tile(stereo(speech, speech), (30, 1))
    assert Survey(frames(np.concatenate([silence, inverted]))).louder is not None
    assert Survey(frames(np.concatenate([minute, np.tile(inverted, (90, 1))]))).louder is None

    def endless() -> Iterator[tuple[Sound, float]]:
        for number in range(10_000):
            assert number < 2 * MINUTE * 16, "reading goes on"
            yield inverted[:1000], 16_000

    assert Survey(endless()).louder is not None
    assert Survey(frames(silence), patience=MINUTE).silent


@pytest.mark.parametrize("kind", ["x.wav", "x.mp3", "x.m4a", "x.opus", "x.flac"])
def test_one_channel_upside_down_is_no_silence(tmp_path: Path, speech: Sound, kind: str) -> None:
    source = tmp_path / "source.wav"
    loud = soxr.resample(speech, 16_000, 48_000, "VHQ")
    source.write_bytes(wav(np.rint(stereo(0.9 * loud, -0.5 * loud) * 32767).astype(np.int16)))
    ffmpeg("-i", source, tmp_path / kind)
    waveform, decoding = decoded(tmp_path / kind)
    assert decoding.warnings in {(), ("channels_cancel",)}
    source.write_bytes(wav(np.rint(stereo(0.5 * loud, -0.52 * loud) * 32767).astype(np.int16)))
    ffmpeg("-i", source, tmp_path / kind)
    waveform, decoding = decoded(tmp_path / kind)
    assert (decoding.warnings, decoding.channel, decoding.channels) == (("channels_cancel",), 2, 2)
    assert likeness(waveform, -speech) > 0.9
    assert np.abs(waveform).max() == pytest.approx(0.52 * np.abs(speech).max(), rel=0.15)
    first, asked = decoded(tmp_path / kind, channel=1)
    assert (asked.warnings, asked.channel) == ((), 1)
    assert likeness(first, speech) > 0.9


def test_arrays_that_cancel(speech: Sound) -> None:
    waveform, decoding = decoded((stereo(0.5 * speech, -speech * 0.6), 16_000))
    np.testing.assert_array_equal(waveform, np.float32(-0.6) * speech)
    assert (decoding.channel, decoding.warnings) == (2, ("channels_cancel",))


def test_a_silent_first_track_is_passed_over(tmp_path: Path, speech: Sound) -> None:
    path = film(tmp_path, speech, [0.0, 0.0, 0.5])
    waveform, decoding = decoded(path)
    assert (decoding.warnings, decoding.track) == (("silent_track",), 3)
    assert decoding.tracks == ("deu Gespr\u00e4ch", "eng", "Mikrofon")
    assert likeness(waveform, speech) > 0.999
    silent, asked = decoded(path, track=1)
    assert (asked.warnings, asked.track) == (("silence",), 1)
    assert not silent.any()


def test_a_track_can_be_chosen(tmp_path: Path, speech: Sound) -> None:
    path = film(tmp_path, speech, [1.0, 0.25])
    for track, loudness in ((None, 1.0), (1, 1.0), (2, 0.25)):
        waveform, decoding = decoded(path, track=track)
        assert (decoding.warnings, decoding.track) == ((), track or 1)
        np.testing.assert_allclose(waveform, loudness * speech, atol=1e-4)
    with pytest.raises(NoAudioError, match="there is no track 3: it has 2 audio tracks"):
        decoded(path, track=3)


def test_all_tracks_may_be_silent(tmp_path: Path, speech: Sound) -> None:
    _, decoding = decoded(film(tmp_path, speech, [0.0, 0.0]))
    assert (decoding.warnings, decoding.track) == (("silence",), 1)


def test_one_track_needs_no_name(speech: Sound) -> None:
    _, decoding = decoded((speech, 16_000), track=1)
    assert (decoding.track, decoding.tracks) == (None, ())
    with pytest.raises(NoAudioError, match="it has 1 audio track"):
        decoded((speech, 16_000), track=2)
