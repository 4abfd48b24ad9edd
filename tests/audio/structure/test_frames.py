from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.structure.frames import _ac3, _adts, _dts, _loas, _mpeg, are_frames
from support.zoo import decoded, likeness, make

MP3 = {
    "constant.mp3": "-c:a libmp3lame -b:a 128k -ar 44100",
    "varied.mp3": "-c:a libmp3lame -q:a 4 -ar 48000",
    "old.mp3": "-c:a libmp3lame -b:a 64k -ar 22050 -write_xing 0 -id3v2_version 0",
    "bare.mp3": "-c:a libmp3lame -b:a 128k -ar 44100 -write_xing 0 -id3v2_version 0",
    "tagged.mp3": "-c:a libmp3lame -b:a 96k -ar 32000 -write_id3v1 1 -metadata title=x",
}


@pytest.mark.parametrize(
    ("length", "options"),
    [
        (_mpeg, "-c:a libmp3lame -b:a 128k -ar 44100 -write_xing 0 -id3v2_version 0 -f mp3"),
        (_mpeg, "-c:a libmp3lame -b:a 32k -ar 22050 -write_xing 0 -id3v2_version 0 -f mp3"),
        (_mpeg, "-c:a libmp3lame -b:a 16k -ar 8000 -write_xing 0 -id3v2_version 0 -f mp3"),
        (_mpeg, "-c:a mp2 -b:a 64k -ar 24000 -f mp2"),
        (_mpeg, "-c:a mp2 -b:a 192k -ar 32000 -f mp2"),
        (_adts, "-c:a aac -f adts"),
        (_loas, "-c:a aac -f latm"),
        (_ac3, "-c:a ac3 -ar 48000"),
        (_ac3, "-c:a ac3 -ar 44100 -b:a 96k"),
        (_ac3, "-c:a ac3 -ar 32000 -b:a 128k"),
        (_ac3, "-c:a eac3 -f eac3"),
        (_dts, "-c:a dca -strict -2 -f dts"),
    ],
)
def test_frames_are_as_long_as_they_say(zoo: dict[str, Path], length: object, options: str) -> None:
    name = "raw" if " -f " in options else "raw.ac3"
    data = make(zoo["x.wav"], {name: options})[name].read_bytes()
    place = count = 0
    while place < len(data):
        size = length(data[place : place + 8])  # type: ignore[operator]
        assert size, place
        place, count = place + size, count + 1
    assert (place, count > 20) == (len(data), True)


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"\xff\xfb", b"\xff" * 8, bytes(8), b"\xff\xfb\xf0\0" * 2, b"\x0b\x77" * 4]
)
def test_what_is_no_frame(head: bytes) -> None:
    assert not any(length(head) for length in (_mpeg, _adts, _dts, _loas))


@pytest.mark.parametrize("one", MP3)
@pytest.mark.parametrize("other", MP3)
def test_mp3s_may_be_joined(
    zoo: dict[str, Path], speech: NDArray[np.float32], one: str, other: str, made: dict[str, bytes]
) -> None:
    twice = np.tile(speech, 2)
    waveform, decoding = decoded(made[one] + made[other])
    assert decoding.warnings == ()
    assert len(waveform) == pytest.approx(2 * len(twice), abs=0.2 * 16_000)
    assert likeness(waveform[-len(twice) :], twice) > 0.9


@pytest.fixture(scope="module")
def made(zoo: dict[str, Path]) -> dict[str, bytes]:
    folder = zoo["x.wav"].parent / "joined"
    folder.mkdir()
    (folder / "x.wav").write_bytes(zoo["x.wav"].read_bytes())
    return {name: path.read_bytes() for name, path in make(folder / "x.wav", MP3).items()}


def test_samples_are_no_frames(zoo: dict[str, Path]) -> None:
    """Some frames in a row can't be chance; the head of one can."""
    data = make(zoo["x.wav"], {"raw": "-c:a libmp3lame -write_xing 0 -id3v2_version 0 -f mp3"})["raw"].read_bytes()
    assert are_frames(data)
    assert are_frames(data[: _mpeg(data[:8])])
    for samples in (np.array([-1, 16], "<i2").repeat(8000), np.zeros(8000, "<i2"), np.zeros(0, "<i2")):
        assert not are_frames(samples.tobytes())
    head = np.array([-1, 16, 300, -20], "<i2").tobytes()
    assert _mpeg(head) > 0
    assert not are_frames(head + bytes(4000))
