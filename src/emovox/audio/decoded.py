"""A recording that was decoded before inference: its waveform is in a file, its facts are known.

The service decodes in a process of its own, so that a file which breaks FFmpeg breaks nothing else.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emovox import private
from emovox.audio.quality import CHANNELS_CANCEL
from emovox.audio.recording import Source, open_recording
from emovox.audio.waveform import SAMPLE_RATE, Waveform

BLOCK = 65_536  # samples read at a time


@dataclass(frozen=True)
class Decoded:
    """What `decode_to` made.

    Attributes:
        path: of the waveform, raw float32, mono, 16 kHz; whoever made it deletes it.
        name: what to call it in results.
        sha256: of the encoded file.
        sample_rate: the recording's own, Hz.
        channels: the recording's own.
        channel: the one in the file, from 1; None: the mean of all.
        codec: FFmpeg's name of it.
        samples: in the file.
        warnings: codes of `quality.WARNINGS`, in their order.
        track: the audio track in the file, from 1; None: the recording has no other.
        tracks: what its audio tracks are called; empty where there is one.
    """

    path: Path
    name: str | None
    sha256: str
    sample_rate: int
    channels: int
    channel: int | None
    codec: str | None
    samples: int
    warnings: tuple[str, ...]
    track: int | None = None
    tracks: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples / SAMPLE_RATE

    @property
    def asked_channel(self) -> int | None:
        """The channel that was asked for; None, the mean, where the channels cancel out."""
        return None if CHANNELS_CANCEL in self.warnings else self.channel

    def blocks(self) -> Iterator[Waveform]:
        """Give the waveform, float32 mono 16 kHz, block by block."""
        with self.path.open("rb") as file:
            while block := file.read(4 * BLOCK):
                yield np.frombuffer(block, dtype="<f4")

    def stretch(self, start: float, end: float) -> Waveform:
        """The waveform between two times in seconds, float32 (n,), as far as there is one."""
        first = round(start * SAMPLE_RATE)
        with self.path.open("rb") as file:
            file.seek(4 * first)
            return np.frombuffer(file.read(4 * max(0, round(end * SAMPLE_RATE) - first)), dtype="<f4")


def decode_to(
    path: Path,
    source: Source,
    *,
    name: str | None,
    channel: int | None,
    track: int | None = None,
    max_bytes: int,
    max_seconds: float,
    progress: Callable[[float], None] = lambda _: None,
) -> Decoded:
    """Decode a recording into the file `path`.

    Args:
        path: of the file, which is overwritten.
        source: the recording.
        name: what to call it; by default its file name.
        channel: this one alone, from 1; by default the mean of all.
        track: this audio track, from 1; by default the main one.
        max_bytes: the largest file accepted.
        max_seconds: the longest recording accepted.
        progress: is called with the seconds decoded so far, again and again.

    Raises:
        AudioError: it can't be used; the subclasses say why.
    """
    from emovox.audio.decoding import decode  # noqa: PLC0415  what is decoded already needs no FFmpeg

    with (
        open_recording(source, name=name, max_bytes=max_bytes, progress=lambda _: progress(0.0)) as recording,
        decode(recording, max_seconds=max_seconds, channel=channel, track=track) as decoding,
        private.create(path, "wb") as file,
    ):
        for block in decoding.blocks():
            file.write(block.astype("<f4", copy=False).tobytes())
            progress(decoding.samples / SAMPLE_RATE)
        return Decoded(
            path=path,
            name=recording.name,
            sha256=recording.sha256,
            sample_rate=decoding.sample_rate,
            channels=decoding.channels,
            channel=decoding.channel,
            track=decoding.track,
            tracks=decoding.tracks,
            codec=decoding.codec,
            samples=decoding.samples,
            warnings=decoding.warnings,
        )
