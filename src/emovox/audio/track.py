"""The track: one stream of sound in a container that FFmpeg has opened, decoded frame by frame."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from emovox.audio.planes import samples_of, without_names
from emovox.audio.structure import Structure, View, is_padding
from emovox.audio.timeline import GAP, Timeline

BLOCK = 65_536  # samples of silence at a time
UNDECODABLE = 1_000  # damaged packets in a row after which the rest is given up
RESUMED = 10  # times in a row that reading is resumed after an error
FOLLOWING = 3  # frames that follow damage which is not the end
TAIL = 65_536  # bytes checked after the last packet
SOME = 0.25, 0.02  # seconds, share: what may be missing of a duration that was rounded, and padded by the encoder

COUNTS = frozenset({"flac", "wv", "tta", "ape", "tak"})
"""Containers whose header counts the samples."""
STATES = COUNTS | {"mov", "matroska", "asf", "rm", "mpc", "mpc8"}
"""Containers whose header states the duration; for others FFmpeg infers it from the bytes that are there."""
JUMPS = frozenset({"mpegts", "mpeg", "flv"})
"""Containers of broadcasts, whose clock may jump where two captures were joined."""

Samples = tuple[NDArray[np.generic], float]
"""Samples (n, channels) of any type, and their rate in Hz."""


class Track:
    """One track of an open container, for one pass.

    Attributes:
        sample_rate: the track's own, Hz; 0 if only its frames say.
        channels: the track's own; 0 likewise.
        codec: FFmpeg's name of it.
        declared: seconds according to the header; None if it doesn't say.
        truncated: the file ended earlier than its header says; known once `frames` is exhausted.
        damaged: some of it could not be decoded, or is missing; likewise.
    """

    def __init__(self, container: InputContainer, stream: AudioStream, view: View, structure: Structure) -> None:
        self._container, self._stream, self._view, self._structure = container, stream, view, structure
        self.channels = without_names(stream.codec_context)
        self.sample_rate = stream.rate or 0
        self.codec = stream.codec_context.codec.canonical_name
        formats = frozenset(container.format.name.split(","))
        self._jumps, self._counted = bool(formats & JUMPS), bool(formats & COUNTS)
        self.declared = _declared(container, stream) if formats & STATES else structure.seconds
        self.truncated, self.damaged = bool(structure.truncated), structure.damaged
        self._lost = False  # something could not be decoded, and little after it was yet
        self._broken = False  # FFmpeg flags a packet as corrupt that it could decode
        self._since = 0  # frames decoded after it
        self._read = 0  # position in the file up to which packets have been read

    def frames(self) -> Iterator[Samples]:
        """Give the sound, with silence where it pauses or begins later than the picture."""
        began = (self._container.start_time or 0) / av.time_base
        duration = self._container.duration
        timeline = Timeline(began, 0.0 if duration is None else duration / av.time_base + GAP, jumps=self._jumps)
        delay: int | None = None  # packets that the decoder keeps before it gives a frame
        times: deque[float | None] = deque(maxlen=UNDECODABLE)
        bases: dict[int, Fraction] = {}  # of streams: asking each packet takes as long as decoding it
        failures = 0
        for packet in self._packets():
            time = _time(packet, bases)
            if packet.stream_index != self._stream.index:
                timeline.see(time)
                continue
            frames = self._decode(packet)
            if frames is None:
                failures += 1
                times.clear()
                if failures == UNDECODABLE:
                    break
                continue
            failures = 0
            times.append(time)
            if frames and delay is None:
                delay = _delay(frames[0].time, times, began)
            while delay is not None and len(times) > delay + 1:
                times.popleft()
            for number, frame in enumerate(frames):
                shown = frame.time
                if delay:
                    shown = None if number else times[0]
                samples, rate = samples_of(frame), frame.sample_rate
                missing = timeline.place(shown, len(samples) / rate)
                self._note(timeline, missing, clean=not packet.is_corrupt)
                yield from _silence(samples, rate, missing)
                yield samples, rate
            if packet.is_corrupt:
                self._broken, self._since = True, 0
        self._finish(timeline)

    def _packets(self) -> "Iterator[Packet[Any]]":
        """All packets, those of other streams too where they tell how the clock runs; also behind damage."""
        errors = 0
        while True:
            try:
                for packet in self._container.demux() if self._jumps else self._container.demux(self._stream):
                    errors = 0
                    yield packet
                    self._read = max(self._read, (packet.pos or 0) + packet.size)
            except MemoryError:
                raise
            except Exception:  # FFmpeg's own, and PyAV's at streams that appear midway
                errors += 1
                if not self._at_end():
                    self._lost, self._since = True, 0
                if errors == RESUMED:
                    return
            else:
                return

    def _at_end(self) -> bool:
        """Whether there is no sound after the last packet."""
        return is_padding(self._view.peek(self._read, TAIL))

    def _decode(self, packet: "Packet[Any]") -> list[av.AudioFrame] | None:
        """The frames of a packet; None if it can't be decoded and wasn't padding."""
        try:
            return cast("list[av.AudioFrame]", packet.decode())
        except MemoryError:
            raise
        except Exception:
            if is_padding(bytes(packet)):
                return []
            self._lost, self._since = True, 0
            return None

    def _note(self, timeline: Timeline, missing: float, *, clean: bool) -> None:
        """A frame was decoded: where several follow it, what was lost before it is not the end."""
        if timeline.jumped:  # a seam, where numbers of packets don't go on either
            self._broken = False
        self._since += clean
        if (self._lost or self._broken) and self._since == FOLLOWING:
            self.damaged, self._lost, self._broken = True, False, False
        if missing and self._counted:  # samples that are counted don't pause
            self.damaged = True

    def _finish(self, timeline: Timeline) -> None:
        whole = self._structure.truncated is False
        if self._lost or (self._broken and not whole):
            self.truncated, self.damaged = self.truncated or not whole, self.damaged or whole
        if self.declared is None or self.truncated:
            return
        some = 0.5 / max(1, self.sample_rate) if self._counted else max(SOME[0], SOME[1] * self.declared)
        if self.declared - timeline.given > some:
            ended = self.declared - timeline.reached <= some
            self.truncated, self.damaged = not ended, self.damaged or ended


def _declared(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds that the stream or else the container states."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # A container's duration is that of its longest stream, from time 0 on.
    if container.duration is None or len(container.streams) > 1 or container.start_time:
        return None
    return container.duration / av.time_base


def _time(packet: "Packet[Any]", bases: dict[int, Fraction]) -> float | None:
    """Seconds that the clock shows at a packet."""
    if packet.pts is None:
        return None
    index = packet.stream_index
    if index not in bases:
        bases[index] = packet.time_base
    base = bases[index]
    return packet.pts * base.numerator / base.denominator


def _delay(time: float | None, times: deque[float | None], began: float) -> int:
    """How many packets the decoder kept before its first frame, which has the time of a later one then."""
    first = times[0]
    late = time is not None and first is not None and time - max(first, began) > GAP
    return len(times) - 1 if late else 0


def _silence(samples: NDArray[np.generic], rate: float, seconds: float) -> Iterator[Samples]:
    """Silence like these samples."""
    count = round(seconds * rate)
    if not count:
        return
    silence = np.full((BLOCK, samples.shape[1]), 128 if samples.dtype == np.uint8 else 0, samples.dtype)
    for first in range(0, count, BLOCK):
        yield silence[: count - first], rate
