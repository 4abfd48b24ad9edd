import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from emovox.audio.planes import samples_of
from support.zoo import decoded, likeness, make, wav

KINDS = {
    6: {"x.m4a": "-c:a aac", "x.flac": "-c:a flac", "x.mov": "-c:a pcm_s16le"},
    7: {"x.m4a": "-c:a aac", "x.mov": "-c:a pcm_s16le", "x.opus": "-c:a libopus"},
    8: {
        "x.m4a": "-c:a aac",
        "x.ogg": "-c:a libvorbis",
        "x.opus": "-c:a libopus",
        "x.mka": "-c:a libopus",
        "x.wv": "-c:a wavpack",
        "x.flac": "-c:a flac",
        "x.caf": "-c:a pcm_s16be",
        "x.mov": "-c:a pcm_s16le",
        "f64.wav": "-c:a pcm_f64le",
    },
    16: {"x.m4a": "-c:a aac", "x.ogg": "-c:a libvorbis", "x.tta": "-c:a tta", "x.caf": "-c:a pcm_s16be"},
    64: {"x.ogg": "-c:a libvorbis", "x.opus": "-c:a libopus -mapping_family 255", "x.mka": "-c:a pcm_s32le"},
}
NAMED = {6: "5.1", 7: "6.1", 8: "7.1"}

DECODE = """
import sys
from pathlib import Path
from emovox.audio.decoded import decode_to
for path in map(Path, sys.argv[1:]):
    decoded = decode_to(Path(f"{path}.raw"), path, name=None, channel=None, max_bytes=10**9, max_seconds=60)
    print(decoded.channels, *decoded.warnings)
"""


@pytest.mark.parametrize("channels", KINDS)
def test_any_number_of_channels_is_heard_as_one_is(
    tmp_path: Path, speech: NDArray[np.float32], channels: int
) -> None:
    """In a process of its own, which foreign memory would end."""
    speech = speech[:16_000]
    pcm = np.rint(soxr.resample(speech, 16_000, 48_000, "VHQ") * 32000).astype(np.int16)
    source = tmp_path / "source.wav"
    source.write_bytes(wav(np.repeat(pcm[:, np.newaxis], channels, axis=1)))
    layout = f"-channel_layout {NAMED[channels]}" if channels in NAMED else ""
    paths = make(source, KINDS[channels], before=layout).values()
    run = subprocess.run([sys.executable, "-c", DECODE, *paths], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [str(channels)] * len(paths)
    for path in paths:
        lossy = any(codec in KINDS[channels][path.name] for codec in ("aac", "libvorbis", "libopus"))
        waveform = np.fromfile(f"{path}.raw", "<f4")
        assert likeness(waveform, speech) > (0.9 if lossy else 0.999)
        assert np.abs(waveform).max() == pytest.approx(np.abs(speech).max(), rel=0.3)


def test_integers_of_64_bits(tmp_path: Path, speech: NDArray[np.float32]) -> None:
    source = tmp_path / "source.wav"
    source.write_bytes(wav(np.rint(32768 * speech).astype(np.int16)[:, np.newaxis], 16_000))
    for path in make(source, {"le.wav": "-c:a pcm_s64le", "x.nut": "-c:a pcm_s64be"}).values():
        waveform, decoding = decoded(path)
        np.testing.assert_array_equal(waveform, speech)
        assert str(decoding.codec).startswith("pcm_s64")


def test_a_frame_of_every_type() -> None:
    for name in ("u8", "s16", "s32", "flt", "dbl"):
        for planar in ("", "p"):
            frame = av.AudioFrame(format=name + planar, layout="stereo", samples=7)
            for plane in frame.planes:
                plane.update(bytes(range(256))[: plane.buffer_size])
            samples = samples_of(frame)
            assert samples.shape == (7, 2)
            raw = np.frombuffer(b"".join(bytes(plane) for plane in frame.planes), samples.dtype)
            np.testing.assert_array_equal(samples.T.ravel() if planar else samples.ravel(), raw)
