"""Which track and channel of a recording is recognised, and what is said of it."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.audio.decoded import decode_to
from emovox.errors import NoAudioError, OptionsError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from support.zoo import film

Sound = NDArray[np.float32]


def test_a_silent_first_track_is_no_verdict(recognizer: Recognizer, speech: Sound, tmp_path: Path) -> None:
    path = film(tmp_path, speech, [0.0, 1.0])
    result = recognizer.recognize(path)
    mono = recognizer.recognize(tmp_path / "track1.wav")
    assert (result.emotion, result.warnings, result.scores) == ("angry", ["silent_track"], mono.scores)
    facts = json.loads(result.to_json())["recording"]
    assert (facts["track"], facts["tracks"]) == (2, ["deu Gespr\u00e4ch", "eng"])
    assert "track" not in json.loads(mono.to_json())["recording"]
    first = recognizer.recognize(path, track=1)
    assert (first.emotion, first.warnings, first.recording.track) == ("unknown", ["silence"], 1)
    assert Recognition.from_json(result.to_json()).recording == result.recording
    third, second = recognizer.recognize_many([path, path], track=3, on_error="return"), None
    assert all(isinstance(item, NoAudioError) for item in third)
    (second,) = recognizer.recognize_many([path], track=2)
    assert (second.emotion, second.warnings) == ("angry", [])


def test_channels_that_cancel_are_no_verdict(recognizer: Recognizer, speech: Sound) -> None:
    stereo = np.stack([0.9 * speech, -speech], axis=1)
    result = recognizer.recognize((stereo, 16_000), segments=True)
    other = recognizer.recognize((-speech, 16_000), segments=True)
    assert (result.warnings, result.recording.channel, result.scores) == (["channels_cancel"], 2, other.scores)
    assert result.segments is not None
    assert [item.channel for item in result.segments] == [2] * len(result.segments)


def test_what_was_decoded_before_is_what_was_asked_for(
    recognizer: Recognizer, speech: Sound, tmp_path: Path
) -> None:
    path = film(tmp_path, speech, [0.0, 1.0])
    decode = partial(decode_to, name=None, channel=None, max_bytes=10**9, max_seconds=99.0)
    found = decode(tmp_path / "wave", path)
    asked = decode(tmp_path / "other", path, track=1)
    assert (found.track, asked.track) == (2, 1)
    requests = [Request(found), Request(found, Options(track=2)), Request(asked, Options(track=1))]
    results = recognizer.recognize_together(requests)
    assert [result.emotion for result in results if isinstance(result, Recognition)] == [
        "angry",
        "angry",
        "unknown",
    ]
    (refusal,) = recognizer.recognize_together([Request(found, Options(track=1))])
    assert isinstance(refusal, OptionsError)
    assert "track 2 was decoded, not track 1" in str(refusal)
    stereo = np.stack([speech, -0.9 * speech], axis=1)
    cancelled = decode(tmp_path / "third", (stereo, 16_000))
    assert (cancelled.channel, cancelled.asked_channel) == (1, None)
    (result,) = recognizer.recognize_together([Request(cancelled)])
    assert isinstance(result, Recognition)
    assert (result.emotion, result.recording.channel) == ("angry", 1)
