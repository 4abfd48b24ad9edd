"""The zoo: real speech in every kind of file, made once."""

from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from support.zoo import make, wav

KINDS = {
    "x.wav": "-c:a pcm_s16le",
    "ima.wav": "-c:a adpcm_ima_wav",
    "x.aiff": "-c:a pcm_s16be",
    "x.au": "-c:a pcm_s16be",
    "x.caf": "-c:a pcm_s16le",
    "x.w64": "-c:a pcm_s16le",
    "x.voc": "-c:a pcm_s16le",
    "x.flac": "-c:a flac",
    "flac.oga": "-c:a flac",
    "x.ogg": "-c:a libvorbis",
    "x.opus": "-c:a libopus -page_duration 100000",
    "x.mka": "-c:a libopus -cluster_time_limit 1000",
    "x.webm": "-c:a libopus",
    "live.webm": "-c:a libopus -live 1 -cluster_time_limit 500",
    "x.mp3": "-c:a libmp3lame",
    "bare.mp3": "-c:a libmp3lame -write_xing 0 -id3v2_version 0",
    "x.mp2": "-c:a mp2",
    "x.aac": "-c:a aac",
    "x.ac3": "-c:a ac3",
    "x.dts": "-c:a dca -strict -2",
    "x.m4a": "-c:a aac",
    "fast.m4a": "-c:a aac -movflags +faststart",
    "x.mov": "-c:a pcm_s16le",
    "x.ts": "-c:a aac",
    "x.mpg": "-c:a mp2",
    "x.flv": "-c:a aac",
    "x.avi": "-c:a pcm_s16le",
    "x.wma": "-c:a wmav2",
    "x.tta": "-c:a tta",
    "x.wv": "-c:a wavpack",
    "x.rm": "-c:a ac3",
}


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory, speech: NDArray[np.float32]) -> dict[str, Path]:
    """Real speech, twice, at 48 kHz, in every kind of file."""
    source = tmp_path_factory.mktemp("zoo") / "source.wav"
    twice = soxr.resample(np.tile(speech, 2), 16_000, 48_000, "VHQ")
    pcm = np.clip(np.rint(32768 * twice), -32768, 32767).astype(np.int16)
    source.write_bytes(wav(pcm[:, np.newaxis]))
    return make(source, KINDS)
