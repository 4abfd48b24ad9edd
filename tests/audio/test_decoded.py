from pathlib import Path

import numpy as np
import pytest
from conftest import Encode
from numpy.typing import NDArray

from emovox.audio.decoded import decode_to
from emovox.errors import OptionsError, TooLargeError, TooShortError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer


def test_heard_as_the_recording_itself_is_to_the_bit(
    recognizer: Recognizer, speech: NDArray[np.float32], encode: Encode, tmp_path: Path
) -> None:
    long = np.concatenate([np.tile(speech, 17), np.zeros(60_000, np.float32), 3 * speech])
    path = encode(np.stack([long, -long / 2]), "x.mp3", "libmp3lame", rate=44_100)
    told: list[float] = []
    decoded = decode_to(
        tmp_path / "wave", path, name=None, channel=2, max_bytes=10**9, max_seconds=999, progress=told.append
    )
    options = Options(granularity="frame", embedding=True, segments=True, channel=2)
    heard, again = recognizer.recognize_together([Request(decoded, options), Request(path, options)])
    assert isinstance(heard, Recognition)
    assert isinstance(again, Recognition)
    same = {"timestamp": again.timestamp, "created_at": again.created_at}
    assert heard.model_copy(update=same).to_json() == again.to_json()
    assert heard.embedding is not None
    assert again.embedding is not None
    np.testing.assert_array_equal(heard.embedding, again.embedding)
    assert told == sorted(told)
    assert told[-1] == decoded.duration == heard.recording.duration
    (refusal,) = recognizer.recognize_together([Request(decoded)])
    assert isinstance(refusal, OptionsError)
    assert "channel 2 was decoded" in str(refusal)


def test_a_stretch_of_it(tmp_path: Path, speech: NDArray[np.float32], encode: Encode) -> None:
    path = encode(speech, "x.wav", "pcm_f32le", sample_format="flt")
    decoded = decode_to(tmp_path / "wave", path, name=None, channel=None, max_bytes=10**9, max_seconds=99)
    np.testing.assert_array_equal(decoded.stretch(0.5, 1.25), speech[8000:20_000])
    np.testing.assert_array_equal(decoded.stretch(decoded.duration - 0.5, 999), speech[-8000:])
    assert len(decoded.stretch(999, 1000)) == 0


def test_what_cannot_be_decoded(tmp_path: Path, speech: NDArray[np.float32], encode: Encode) -> None:
    path = encode(speech, "x.wav", "pcm_s16le", sample_format="s16")
    with pytest.raises(TooLargeError):
        decode_to(tmp_path / "wave", path, name=None, channel=None, max_bytes=10**9, max_seconds=1)
    short = encode(speech[:100], "y.wav", "pcm_s16le", sample_format="s16")
    with pytest.raises(TooShortError):
        decode_to(tmp_path / "wave", short, name=None, channel=None, max_bytes=10**9, max_seconds=1)
