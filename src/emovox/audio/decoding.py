"""Decoding: from an opened recording to waveform blocks, as a stream of constant memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from emovox.audio.header import breaks_off, states_duration
from emovox.audio.quality import WARNINGS, Level
from emovox.audio.recording import Recording
from emovox.audio.waveform import SAMPLE_RATE, Resampler, Waveform, to_float
from emovox.errors import NoAudioError, TooLargeError, TooShortError, UnreadableAudioError

LEAST_OF_DAMAGED = SAMPLE_RATE // 10  # a damaged file must give 0.1 s to be used
LEAST = SAMPLE_RATE // 40  # 25 ms, one frame
BLOCK = 65_536  # samples at the recording's rate that are resampled together
NO_NETWORK = {"protocol_whitelist": "none"}  # a playlist must not make FFmpeg open addresses or other files
GAP = 0.1  # seconds; what encoders leave out or add at the seams is less
UNDECODABLE = 1_000  # damaged packets in a row after which the rest is given up


@dataclass
class Decoding:
    """One pass over a recording; facts are there from the start, findings once `blocks` is exhausted.

    Attributes:
        sample_rate: the recording's own, Hz.
        channels: the recording's own.
        codec: FFmpeg's name of it; None for an array.
        channel: the one that is given, from 1; None: the mean of all.
        declared: seconds that the header promises; None where it doesn't say.
        samples: 16 kHz samples given so far.
        level: peak and clipping so far.
        truncated: the file ended before its header said.
        damaged: some packets could not be decoded.
    """

    name: str | None
    sample_rate: int
    channels: int
    codec: str | None
    declared: float | None
    max_seconds: float
    frames: Iterator[tuple[NDArray[np.generic], float]]
    channel: int | None = None
    samples: int = 0
    level: Level = field(default_factory=Level)
    truncated: bool = False
    damaged: bool = False

    def blocks(self) -> Iterator[Waveform]:
        """Give the waveform, float32 mono 16 kHz, in blocks of about a second.

        Raises:
            NoAudioError: there was no sample, or no such channel.
            TooShortError: less than 25 ms.
            TooLargeError: more than `max_seconds`; found as soon as it is passed.
            UnreadableAudioError: damaged, and less than 0.1 s could be decoded; or NaN among the samples.
        """
        if self.declared is not None and self.declared > self.max_seconds:
            raise self._too_long()
        if self.channel is not None and self.channel > self.channels:
            have = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise NoAudioError(f"there is no channel {self.channel} in it: it has {have}", self.name)
        for block in self._resampled():
            self.samples += len(block)
            if self.samples > self.max_seconds * SAMPLE_RATE:
                raise self._too_long()
            yield block
        if self.declared is not None and not self.truncated:
            # Encoders pad and headers round: only a real gap counts.
            self.truncated = self.declared - self.samples / SAMPLE_RATE > max(0.25, 0.02 * self.declared)
        if (self.truncated or self.damaged) and self.samples < LEAST_OF_DAMAGED:
            raise UnreadableAudioError("truncated or damaged: less than 0.1 s of it could be decoded", self.name)
        if not self.samples:
            raise NoAudioError("there is no sound in it, not one sample", self.name)
        if self.samples < LEAST:
            milliseconds = 1000 * self.samples / SAMPLE_RATE
            raise TooShortError(f"too short: {milliseconds:.3g} ms, and 25 ms are needed", self.name)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what may spoil the verdict, once `blocks` is exhausted, in the order of `quality.WARNINGS`."""
        found = set(self.level.warnings(self.samples))
        if self.truncated:  # what broke off leaves a damaged packet at the end, which says nothing more
            found.add("truncated")
        elif self.damaged:
            found.add("damaged")
        return tuple(code for code in WARNINGS if code in found)

    def _too_long(self) -> TooLargeError:
        return TooLargeError(
            f"longer than the limit of {self.max_seconds:g} s (raise it with EMOVOX_MAX_DURATION, in seconds)",
            self.name,
        )

    def _resampled(self) -> Iterator[Waveform]:
        resampler: Resampler | None = None
        held: list[Waveform] = []
        size = 0
        for samples, rate in self.frames:
            if resampler is not None and rate != resampler.rate:  # some streams change their rate midway
                yield resampler.push(np.concatenate([*held, np.empty(0, np.float32)]), last=True)
                resampler, held, size = None, [], 0
            resampler = resampler or self._resampler(rate)
            held.append(self._to_mono(samples))
            size += len(held[-1])
            if size >= BLOCK:
                yield resampler.push(np.concatenate(held))
                held, size = [], 0
        if resampler is not None:
            yield resampler.push(np.concatenate([*held, np.empty(0, np.float32)]), last=True)

    def _resampler(self, rate: float) -> Resampler:
        try:
            return Resampler(rate)
        except UnreadableAudioError as error:
            raise UnreadableAudioError(error.reason, self.name) from None

    def _to_mono(self, samples: NDArray[np.generic]) -> Waveform:
        if self.channel is not None:  # a stream whose channels change midway has what it has
            samples = samples[:, min(self.channel, samples.shape[1]) - 1 :][:, :1]
        try:
            scaled = to_float(samples)
        except UnreadableAudioError as error:
            raise UnreadableAudioError(error.reason, self.name) from None
        mono = scaled[:, 0] if scaled.shape[1] == 1 else scaled.mean(axis=1, dtype=np.float32)
        self.level.add(scaled, mono)
        return mono


@contextmanager
def decode(recording: Recording, *, max_seconds: float, channel: int | None = None) -> Iterator[Decoding]:
    """Open a recording's sound: the best audio stream of whatever container FFmpeg recognises.

    Args:
        recording: from `open_recording`, still open.
        max_seconds: the longest recording taken.
        channel: give this one alone, from 1; by default the mean of all.

    Raises:
        UnreadableAudioError: the bytes are not audio in any format FFmpeg knows.
        NoAudioError: a picture or a video without sound.
    """
    name = recording.name
    if recording.samples is not None and recording.rate is not None:
        samples, rate = recording.samples, recording.rate
        yield Decoding(
            name=name,
            sample_rate=round(rate),
            channels=samples.shape[1],
            codec=None,
            declared=len(samples) / rate,
            max_seconds=max_seconds,
            channel=channel,
            frames=((samples[i : i + BLOCK], rate) for i in range(0, len(samples), BLOCK)),
        )
        return
    file = recording.file
    assert file is not None  # noqa: S101  a recording is one or the other
    try:
        container = av.open(file, "r", options=NO_NETWORK)
    except av.FFmpegError as error:
        raise UnreadableAudioError(
            "not a recording in any format FFmpeg knows, or its end is missing", name
        ) from error
    with container:
        if not container.streams.audio:
            raise NoAudioError("there is no sound in it", name)
        stream = cast("AudioStream", container.streams.best("audio") or container.streams.audio[0])
        if stream.codec_context is None:
            raise UnreadableAudioError("its sound is in a codec that FFmpeg doesn't know", name)
        decoding = Decoding(
            name=name,
            sample_rate=stream.rate or 0,
            channels=stream.channels,
            codec=stream.codec_context.name,
            declared=_declared(container, stream) if states_duration(container.format.name, file) else None,
            max_seconds=max_seconds,
            channel=channel,
            frames=iter(()),
            truncated=breaks_off(file),
        )
        decoding.frames = _decoded(container, stream, decoding)
        yield decoding


def _declared(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds that the stream or else the container states."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # A container's duration is that of its longest stream, from time 0 on.
    if container.duration is None or len(container.streams) > 1 or container.start_time:
        return None
    return container.duration / av.time_base


def _decoded(
    container: InputContainer, stream: AudioStream, decoding: Decoding
) -> Iterator[tuple[NDArray[np.generic], float]]:
    packets = container.demux(stream)
    began = (container.start_time or 0) / av.time_base
    # A time beyond the container's end is damage.
    ends = 0.0 if container.duration is None else container.duration / av.time_base + GAP
    given = 0.0  # seconds
    failures = 0
    while failures < UNDECODABLE:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            decoding.truncated = True
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            decoding.damaged = True
            failures += 1
            continue
        failures = 0
        for frame in frames:
            samples = frame.to_ndarray()
            packed = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
            missing = 0.0 if frame.time is None else frame.time - began - given
            if missing > GAP and given + missing <= ends:
                # Sound that begins after the picture, or pauses, keeps its place in time.
                silence = np.full((BLOCK, packed.shape[1]), 128 if packed.dtype == np.uint8 else 0, packed.dtype)
                for first in range(0, count := round(missing * frame.sample_rate), BLOCK):
                    yield silence[: count - first], frame.sample_rate
                given += missing
            given += len(packed) / frame.sample_rate
            yield packed, frame.sample_rate
