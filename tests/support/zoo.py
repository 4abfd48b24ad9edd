"""Files of many kinds, made by the ffmpeg command: another program than the one that is tested."""

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.audio.decoding import Decoding, decode
from emovox.audio.recording import Source, open_recording

GUID = bytes.fromhex("00001000800000aa00389b71")  # what follows the tag in WAVE_FORMAT_EXTENSIBLE


def ffmpeg(*arguments: object) -> None:
    """Run ffmpeg; skips the test where there is none, which CI doesn't accept."""
    program = shutil.which("ffmpeg")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("there is no ffmpeg")
        pytest.skip("needs the ffmpeg command")
    command = [program, "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=120)


def make(source: Path, kinds: Mapping[str, str], *, before: str = "") -> dict[str, Path]:
    """Make files beside `source`, all at once: the options of each, by its name."""
    paths = {name: source.with_name(name) for name in kinds}
    outputs = [part for name, options in kinds.items() for part in [*options.split(), str(paths[name])]]
    ffmpeg(*before.split(), "-i", source, *outputs)
    return paths


def chunk(name: bytes, body: bytes, *, size: int | None = None, pad: bool = True, big: bool = False) -> bytes:
    """A RIFF chunk; `size` and `pad` are for those that lie."""
    head = struct.pack(">I" if big else "<I", len(body) if size is None else size)
    return name + head + body + (b"\0" if pad and len(body) % 2 else b"")


def form(
    tag: int, channels: int, bits: int, *, block: int | None = None, more: bytes = b"", big: bool = False
) -> bytes:
    """A chunk `fmt ` of 16 kHz."""
    block = block or channels * bits // 8
    sign = ">" if big else "<"
    body = struct.pack(f"{sign}HHIIHH", tag, channels, 16_000, 16_000 * block, block, bits)
    return chunk(b"fmt ", body + more, big=big)


def extensible(valid: int, tag: int = 1, mask: int = 4) -> bytes:
    """What WAVE_FORMAT_EXTENSIBLE adds to it."""
    return struct.pack("<HHII", 22, valid, mask, tag) + GUID


def riff(*chunks: bytes, name: bytes = b"RIFF", size: int | None = None) -> bytes:
    """A file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    order = ">I" if name == b"RIFX" else "<I"
    return name + struct.pack(order, len(body) if size is None else size) + body


def wav(samples: NDArray[np.int16], rate: int = 48_000) -> bytes:
    """A plain WAV file of samples (n, channels)."""
    channels = samples.shape[1]
    head = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels, 2 * channels, 16)
    return riff(chunk(b"fmt ", head), chunk(b"data", samples.astype("<i2").tobytes()))


def film(folder: Path, speech: NDArray[np.float32], tracks: Sequence[float]) -> Path:
    """A film with an audio track for each number, speech of that loudness."""
    inputs: list[object] = []
    options: list[object] = []
    names = [("deu", "Gespr\u00e4ch"), ("eng", ""), ("", "Mikrofon")]
    for number, loudness in enumerate(tracks):
        path = folder / f"track{number}.wav"
        path.write_bytes(wav(np.rint(loudness * speech * 32767).astype(np.int16)[:, np.newaxis], 16_000))
        inputs += ["-i", path]
        language, title = names[number]
        options += ["-map", number, f"-metadata:s:a:{number}", f"language={language}"]
        options += [f"-metadata:s:a:{number}", f"title={title}"]
    ffmpeg(*inputs, *options, "-c:a", "pcm_s16le", folder / "film.mkv")
    return folder / "film.mkv"


def decoded(
    source: Source, *, channel: int | None = None, track: int | None = None
) -> tuple[NDArray[np.float32], Decoding]:
    """The waveform of a recording, and what was found on the way."""
    with (
        open_recording(source, max_bytes=2**30) as recording,
        decode(recording, max_seconds=3600, channel=channel, track=track) as decoding,
    ):
        blocks = list(decoding.blocks())
    return np.concatenate(blocks), decoding


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The highest normalised correlation over shifts of up to 0.2 s: lossy codecs add a delay."""
    size = min(len(one), len(other))
    a, b = one[:size], other[:size]
    spectrum = np.fft.rfft(a, 2 * size) * np.conj(np.fft.rfft(b, 2 * size))
    correlation = np.fft.irfft(spectrum)
    near = np.concatenate([correlation[:3200], correlation[-3200:]])
    return float(near.max() / np.sqrt((a @ a) * (b @ b)))
