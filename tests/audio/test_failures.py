"""Whatever is wrong with a recording, it is its `AudioError`, and the next one is recognised."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emovox.audio.failures import reading
from emovox.errors import (
    AudioError,
    DecoderError,
    EmovoxError,
    HeadError,
    TooShortError,
    UnreadableAudioError,
)
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from support.zoo import decoded, ffmpeg

SMALL = [
    "x.wav",
    "x.mp3",
    "x.m4a",
    "x.opus",
    "x.flac",
    "live.webm",
    "x.mka",
    "x.ts",
    "x.aac",
    "x.caf",
    "x.wma",
    "x.avi",
]


class NeedsGradient:
    """As a tensor of PyTorch."""

    def __array__(self, *_: object, **__: object) -> NDArray[np.float32]:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead."
        )


class Moody(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise KeyError("not today")


class NoPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise ZeroDivisionError


class Hungry:
    def __array__(self, *_: object, **__: object) -> NDArray[np.float32]:
        raise MemoryError


NONSENSE: dict[str, Any] = {
    "nothing": None,
    "a number": 3,
    "an object": object(),
    "three things": (1, 2, 3),
    "a ragged list": ([[0.1, 0.2], [0.3]], 16_000),
    "an endless number": ([10**400], 16_000),
    "words": (["a", "b"], 16_000),
    "truths": (np.ones(16_000, bool), 16_000),
    "complex numbers": (np.ones(16_000, complex), 16_000),
    "dates": (np.ones(9, "M8[D]"), 16_000),
    "no rate": (np.ones(16_000), None),
    "a gradient": (NeedsGradient(), 16_000),
    "no memory": (Hungry(), 16_000),
    "an array alone": np.zeros(16_000),
    "a dictionary": {"array": [0.0], "sampling_rate": 16_000},
    "a moody file": Moody(),
    "a moody path": NoPath(),
    "floats of 16 bits": (np.linspace(-32_768, 32_767, 16_000), 16_000),
    "cubes": (np.zeros((3, 4, 5)), 16_000),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_an_audio_error(kind: str) -> None:
    with pytest.raises(AudioError) as caught:
        decoded(NONSENSE[kind])
    assert "\n" not in str(caught.value)


def test_what_comes_after_nonsense_is_recognised(recognizer: Recognizer, speech: NDArray[np.float32]) -> None:
    recordings = [item for nonsense in NONSENSE.values() for item in (nonsense, (speech, 16_000))]
    results = list(recognizer.recognize_many(recordings, on_error="return"))
    assert [isinstance(result, AudioError) for result in results[::2]] == [True] * len(NONSENSE)
    emotions = [result.emotion for result in results[1::2] if isinstance(result, Recognition)]
    assert emotions == ["angry"] * len(NONSENSE)
    with pytest.raises(AudioError):
        list(recognizer.recognize_many(recordings))


def test_a_failure_has_the_name_of_its_recording() -> None:
    def fail(error: Exception) -> EmovoxError:
        with pytest.raises(EmovoxError) as caught, reading("x.wav"):
            raise error
        return caught.value

    assert str(fail(ValueError("two\nlines"))) == "x.wav: it can't be read (ValueError: two lines)"
    assert str(fail(KeyError())) == "x.wav: it can't be read (KeyError)"
    assert str(fail(MemoryError())).startswith("x.wav: there isn't enough memory")
    short = fail(TooShortError("too short"))
    assert (type(short), str(short)) == (TooShortError, "x.wav: too short")
    assert str(fail(TooShortError("too short", "y.wav"))) == "y.wav: too short"
    assert isinstance(fail(OSError(errno.ENOSPC, "No space left on device")), DecoderError)
    assert isinstance(fail(OSError(errno.EINVAL, "Invalid argument")), UnreadableAudioError)
    assert isinstance(fail(HeadError("no such head")), HeadError)
    with pytest.raises(KeyboardInterrupt), reading("x.wav"):
        raise KeyboardInterrupt


def test_a_failure_of_whoever_takes_the_sound_is_their_own(
    recognizer: Recognizer, speech: NDArray[np.float32]
) -> None:
    def sink(_: NDArray[np.float32]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        recognizer.recognize((speech, 16_000), sink=sink)


TAGGED = {
    "x.wav": "pcm_s16le",
    "x.mp3": "libmp3lame -write_id3v1 1",
    "x.flac": "flac",
    "x.ogg": "libvorbis",
    "x.opus": "libopus",
    "x.m4a": "aac",
    "x.mkv": "aac",
    "x.webm": "libopus",
    "x.avi": "pcm_s16le",
    "x.aiff": "pcm_s16be -write_id3v2 1",
    "x.wv": "wavpack",
    "x.caf": "pcm_s16le",
    "x.au": "pcm_s16be",
    "x.flv": "aac",
    "x.nut": "pcm_s16le",
}


def test_titles_may_be_in_any_encoding(zoo: dict[str, Path], tmp_path: Path) -> None:
    title = os.fsdecode("title=Gespr\u00e4ch".encode("latin-1"))
    written = 0
    for name, codec in TAGGED.items():
        plain, tagged = tmp_path / name, tmp_path / f"tagged.{name}"
        ffmpeg("-i", zoo["x.wav"], "-c:a", *codec.split(), plain)
        ffmpeg("-i", zoo["x.wav"], "-c:a", *codec.split(), "-metadata", title, "-metadata:s:a:0", title, tagged)
        written += b"Gespr\xe4ch" in tagged.read_bytes()
        waveform, decoding = decoded(tagged)
        assert decoding.warnings == (), name
        np.testing.assert_array_equal(waveform, decoded(plain)[0])
    assert written >= 10


def test_a_header_that_lies_about_the_length_refuses_nothing(zoo: dict[str, Path]) -> None:
    data = bytearray(zoo["x.flac"].read_bytes())
    data[21] |= 0x0F  # the upper bits of the number of samples
    waveform, decoding = decoded(bytes(data))
    assert decoding.declared is not None
    assert decoding.declared > 3600 * 24
    assert len(waveform) == pytest.approx(2 * 2.18 * 16_000, rel=0.01)
    assert decoding.warnings == ("truncated",)


@pytest.fixture(scope="module")
def small(zoo: dict[str, Path]) -> dict[str, bytes]:
    return {name: zoo[name].read_bytes() for name in SMALL}


def fine(data: bytes) -> None:
    try:
        waveform, decoding = decoded(data)
    except AudioError as error:
        assert "\n" not in str(error)  # noqa: PT017  any AudioError will do, and none is needed
    else:
        assert len(waveform) >= 400
        assert np.isfinite(waveform).all()
        assert decoding.sample_rate > 0
        assert decoding.channels > 0


few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(name=st.sampled_from(SMALL), share=st.floats(0, 1))
def test_cut_off_anywhere(small: dict[str, bytes], name: str, share: float) -> None:
    fine(small[name][: int(share * len(small[name]))])


@few
@given(
    name=st.sampled_from(SMALL),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=30),
    first=st.integers(0, 200),
)
def test_bytes_of_any_value_anywhere(
    small: dict[str, bytes], name: str, places: list[tuple[float, int]], first: int
) -> None:
    data = bytearray(small[name])
    for share, value in places:
        data[int(share * (len(data) - 1))] = value
    data[first] = places[0][1]  # headers are where it hurts
    fine(bytes(data))
