"""Decoding: from an opened recording to waveform blocks, as a stream of constant memory."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from emovox.audio.failures import reading
from emovox.audio.quality import CHANNELS_CANCEL, SILENT_TRACK, WARNINGS, Level
from emovox.audio.recording import Recording
from emovox.audio.structure import View, inspect
from emovox.audio.survey import MINUTE, Survey
from emovox.audio.track import Samples, Track
from emovox.audio.waveform import SAMPLE_RATE, Resampler, Waveform, to_float
from emovox.errors import NoAudioError, TooLargeError, TooShortError, UnreadableAudioError

LEAST_OF_DAMAGED = SAMPLE_RATE // 10  # a damaged file must give 0.1 s to be used
LEAST = SAMPLE_RATE // 40  # 25 ms, one frame
BLOCK = 65_536  # samples at the recording's rate, resampled at a time
NO_NETWORK = {"protocol_whitelist": "none"}  # a playlist must not make FFmpeg open addresses or other files
# Names and titles may be in any encoding, and aren't used here. From PyAV 19 on that is so by itself.
_ANY_ENCODING: dict[str, Any] = (
    {} if int(av.__version__.partition(".")[0]) > 18 else {"metadata_errors": "replace"}
)
NO_LONG_SEARCH = {"max_probe_packets": "0"}  # for other sound in plain samples: it takes 4 ms a file


@dataclass
class Decoding:
    """One pass over a recording; its facts are known from the start, findings once `blocks` is exhausted.

    Attributes:
        name: what to call it.
        sample_rate: the recording's own, Hz.
        channels: the recording's own.
        codec: FFmpeg's name of it; None for an array.
        declared: seconds according to the header; None if it doesn't say.
        channel: the one that is given, from 1; None: the mean of all.
        track: which of its audio tracks it is, from 1; None where there is no other.
        tracks: what its audio tracks are called; empty where there is one.
        samples: 16 kHz samples given so far.
        level: peak and clipping so far.
        truncated: the file ended earlier than its header says.
        damaged: some of it could not be decoded.
    """

    name: str | None
    sample_rate: int
    channels: int
    codec: str | None
    declared: float | None
    max_seconds: float
    frames: Iterator[Samples]
    channel: int | None = None
    track: int | None = None
    tracks: tuple[str, ...] = ()
    notes: frozenset[str] = frozenset()
    samples: int = 0
    level: Level = field(default_factory=Level)
    source: Track | None = None

    @property
    def truncated(self) -> bool:
        """Whether the file ended earlier than its header says."""
        return self.source is not None and self.source.truncated

    @property
    def damaged(self) -> bool:
        """Whether some of it could not be decoded."""
        return self.source is not None and self.source.damaged

    def blocks(self) -> Iterator[Waveform]:
        """Give the waveform, float32 mono 16 kHz, in blocks of about a second.

        Raises:
            NoAudioError: there was no sample, or no such channel.
            TooShortError: less than 25 ms.
            TooLargeError: more than `max_seconds`; raised as soon as that is passed.
            UnreadableAudioError: damaged, and less than 0.1 s could be decoded; or NaN among the samples.
        """
        blocks = self._blocks()
        while True:
            with reading(self.name):
                block = next(blocks, None)
            if block is None:
                return
            yield block

    def _blocks(self) -> Iterator[Waveform]:
        self._check_channel()
        for block in self._resampled():
            self.samples += len(block)
            if self.samples > self.max_seconds * SAMPLE_RATE:
                limit = f"the limit of {self.max_seconds:g} s"
                raise TooLargeError(f"longer than {limit} (raise it with EMOVOX_MAX_DURATION, in seconds)")
            yield block
        if (self.truncated or self.damaged) and self.samples < LEAST_OF_DAMAGED:
            raise UnreadableAudioError("truncated or damaged: less than 0.1 s of it could be decoded")
        if not self.samples:
            raise NoAudioError("it has no sound, not a single sample")
        if self.samples < LEAST:
            milliseconds = 1000 * self.samples / SAMPLE_RATE
            raise TooShortError(f"too short: {milliseconds:.3g} ms, but at least 25 ms are needed")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what may impair the verdict, once `blocks` is exhausted, in the order of `quality.WARNINGS`."""
        codes = {*self.level.warnings(self.samples), *self.notes}
        if self.truncated:  # a truncated file ends with a damaged packet, which isn't worth a second warning
            codes.add("truncated")
        elif self.damaged:
            codes.add("damaged")
        return tuple(code for code in WARNINGS if code in codes)

    def _resampled(self) -> Iterator[Waveform]:
        resampler: Resampler | None = None
        for samples, rate in _joined(self.frames):
            if resampler is not None and rate != resampler.rate:  # the rate may change midway
                yield resampler.push(np.empty(0, np.float32), last=True)
                resampler = None
            resampler = resampler or self._begin(samples, rate)
            yield resampler.push(self._to_mono(samples))
        if resampler is not None:
            yield resampler.push(np.empty(0, np.float32), last=True)

    def _begin(self, samples: NDArray[np.generic], rate: float) -> Resampler:
        # In some containers only the frames say.
        self.sample_rate = self.sample_rate or round(rate)
        self.channels = self.channels or samples.shape[1]
        self._check_channel()
        return Resampler(rate)

    def _check_channel(self) -> None:
        if self.channel is not None and self.channel > self.channels > 0:
            have = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise NoAudioError(f"there is no channel {self.channel}: it has {have}")

    def _to_mono(self, samples: NDArray[np.generic]) -> Waveform:
        if self.channel is not None:  # the number of channels may change midway
            samples = samples[:, min(self.channel, samples.shape[1]) - 1 :][:, :1]
        scaled = to_float(samples)
        mono = scaled[:, 0] if scaled.shape[1] == 1 else scaled.mean(axis=1, dtype=np.float32)
        self.level.add(scaled, mono)
        return mono


def _joined(frames: Iterable[Samples]) -> Iterator[Samples]:
    """The same sound in larger pieces: a packet of 20 ms costs as many calls as a second."""
    held: list[NDArray[np.generic]] = []
    held_rate, size = 0.0, 0
    for samples, rate in frames:
        alike = not held or (rate, samples.dtype, samples.shape[1]) == (held_rate, held[0].dtype, held[0].shape[1])
        if not alike or size >= BLOCK:
            yield np.concatenate(held), held_rate
            held, size = [], 0
        held.append(samples)
        held_rate, size = rate, size + len(samples)
    if held:
        yield np.concatenate(held), held_rate


@contextmanager
def decode(
    recording: Recording, *, max_seconds: float, channel: int | None = None, track: int | None = None
) -> Iterator[Decoding]:
    """Open a recording's sound: an audio stream in any container that FFmpeg recognises.

    Args:
        recording: from `open_recording`, still open.
        max_seconds: the longest recording accepted.
        channel: decode this one alone, from 1; by default the mean of all, or the loudest where they cancel out.
        track: take this audio track, from 1; by default the main one, or the first other where it begins with a
            minute of silence.

    Raises:
        UnreadableAudioError: the bytes are not audio in any format FFmpeg knows.
        NoAudioError: a picture or a video without sound, or no such track.
    """
    with ExitStack() as stack:
        with reading(recording.name):
            if recording.file is None:
                decoding = _of_array(recording, max_seconds, channel, track)
            else:
                decoding = stack.enter_context(
                    _File(recording.file).decoding(recording.name, max_seconds, channel, track)
                )
        yield decoding


def _of_array(recording: Recording, max_seconds: float, channel: int | None, track: int | None) -> Decoding:
    samples, rate = recording.samples, recording.rate
    assert samples is not None  # noqa: S101  a recording has one or the other
    assert rate is not None  # noqa: S101
    _check_track(track, 1)

    def frames() -> Iterator[Samples]:
        return ((samples[first : first + BLOCK], rate) for first in range(0, len(samples), BLOCK))

    louder = Survey(frames()).louder if channel is None and samples.shape[1] > 1 else None
    return Decoding(
        name=recording.name,
        sample_rate=round(rate),
        channels=samples.shape[1],
        codec=None,
        declared=len(samples) / rate,
        max_seconds=max_seconds,
        channel=channel or louder,
        notes=frozenset() if louder is None else frozenset({CHANNELS_CANCEL}),
        frames=frames(),
    )


class _File:
    """A recording's file, which FFmpeg may open several times, first to survey it."""

    def __init__(self, file: BinaryIO) -> None:
        self._structure, self._data = inspect(file)

    @contextmanager
    def decoding(
        self, name: str | None, max_seconds: float, channel: int | None, track: int | None
    ) -> Iterator[Decoding]:
        """Open it for decoding."""
        with self._opened() as (container, view):
            streams = container.streams.audio
            if not streams:
                raise NoAudioError("it has no sound")
            _check_track(track, len(streams))
            notes = set()
            survey = None
            order = _order(container)
            if track is None and len(order) > 1:
                track, survey = self._first_with_sound(order)
                if track != order[0]:
                    notes.add(SILENT_TRACK)
            elif track is None:
                track = next(iter(order), 1)
            if track not in order:
                raise UnreadableAudioError("its sound has a codec that FFmpeg doesn't know")
            source = Track(container, streams[track - 1], view, self._structure)
            if channel is None and source.channels != 1:
                channel = (survey or self._survey(track)).louder
                notes |= set() if channel is None else {CHANNELS_CANCEL}
            several = len(streams) > 1
            yield Decoding(
                name=name,
                sample_rate=source.sample_rate,
                channels=source.channels,
                codec=source.codec,
                declared=source.declared,
                max_seconds=max_seconds,
                channel=channel,
                track=track if several else None,
                tracks=tuple(map(_name, streams)) if several else (),
                notes=frozenset(notes),
                frames=source.frames(),
                source=source,
            )

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, View]]:
        view = View(self._data, self._structure.parts)
        try:
            options = NO_NETWORK | (NO_LONG_SEARCH if self._structure.plain else {})
            container = av.open(view, "r", options=options, **_ANY_ENCODING)
        except av.FFmpegError as error:
            raise UnreadableAudioError(
                "not a recording in any format that FFmpeg knows, or its end is missing"
            ) from error
        with container:
            yield container, view

    def _survey(self, track: int, *, patience: float = math.inf) -> Survey:
        with self._opened() as (container, view):
            frames = Track(container, container.streams.audio[track - 1], view, self._structure).frames()
            return Survey(frames, patience=patience)

    def _first_with_sound(self, order: list[int]) -> tuple[int, Survey | None]:
        for track in order:
            survey = self._survey(track, patience=MINUTE)
            if not survey.silent:
                return track, survey
        return order[0], None


def _check_track(track: int | None, count: int) -> None:
    if track is not None and track > count:
        have = "1 audio track" if count == 1 else f"{count} audio tracks"
        raise NoAudioError(f"there is no track {track}: it has {have}")


def _order(container: InputContainer) -> list[int]:
    """The audio tracks that FFmpeg can decode, from 1, the main one first."""
    streams = container.streams.audio
    best = container.streams.best("audio")
    usable = [number for number, stream in enumerate(streams, 1) if stream.codec_context is not None]
    return sorted(usable, key=lambda number: best is None or streams[number - 1].index != best.index)


def _name(stream: AudioStream) -> str:
    """A track's language and title in its container, as far as it has them."""
    return " ".join(filter(None, (stream.metadata.get("language"), stream.metadata.get("title"))))
