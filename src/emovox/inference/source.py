"""The source of a run: a recording opened for decoding, and what is known of it once it was read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source, open_recording
from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import OptionsError
from emovox.inference.options import Options, Sink
from emovox.inference.recognition import MOSTLY_SILENCE, NO_SPEECH
from emovox.inference.recording_facts import RecordingFacts
from emovox.policy import Side
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.audio.decoding import Decoding
    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder, IsolatedDecoding

LITTLE = 1 / 3  # of a recording; with less speech, silence may decide the verdict if it counts


def tee(blocks: Iterator[Waveform], sink: Sink) -> Iterator[Waveform]:
    """The blocks, each given to the sink too."""
    for block in blocks:
        sink(block)
        yield block


@contextmanager
def opened(
    source: Source | Decoded,
    name: str | None,
    channel: int | None,
    track: int | None,
    decoder: "IsolatedDecoder | None",
) -> Iterator[tuple["Decoding | Decoded | IsolatedDecoding", str | None, str]]:
    """The source of the waveform, its name, and its checksum; `decoder` decodes in another process.

    Raises:
        AudioError: it can't be used.
        OptionsError: it was decoded before, another channel or track of it.
        DecoderError: no decoding process can be started.
    """
    if isinstance(source, Decoded):
        if source.asked_channel != channel:
            raise OptionsError(f"channel {source.asked_channel!r} was decoded, not channel {channel!r}")
        if track not in {None, source.track or 1}:
            raise OptionsError(f"track {source.track!r} was decoded, not track {track!r}")
        yield source, source.name, source.sha256
        return
    limits = settings()
    if decoder is not None and not isinstance(source, tuple):
        with decoder.open(source, name=name, channel=channel, track=track) as isolated:
            yield isolated, isolated.name, isolated.sha256
        return
    from emovox.audio.decoding import decode  # noqa: PLC0415  if another process decodes, FFmpeg isn't needed

    with (
        open_recording(source, name=name, max_bytes=limits.max_file_size) as recording,
        decode(recording, max_seconds=limits.max_duration, channel=channel, track=track) as decoding,
    ):
        yield decoding, recording.name, recording.sha256


def facts(
    decoding: "Decoding | Decoded | IsolatedDecoding",
    spans: Sequence[Span],
    *,
    name: str | None,
    sha256: str,
    side: Side | None,
    options: Options,
) -> RecordingFacts:
    """What a result says of the recording, once it was read."""
    return RecordingFacts(
        name=name,
        sha256=sha256,
        duration=decoding.samples / SAMPLE_RATE,
        sample_rate=decoding.sample_rate,
        channels=decoding.channels,
        channel=decoding.channel,
        track=decoding.track,
        tracks=list(decoding.tracks) or None,
        codec=decoding.codec,
        speech=sum(span.end - span.start for span in spans) / SAMPLE_RATE,
        side=side,
        purpose=options.purpose,
        consent=options.consent,
    )


def warnings(
    decoding: "Decoding | Decoded | IsolatedDecoding", spans: Sequence[Span], *, by_speech: bool
) -> list[str]:
    """The codes of what may distort the verdict, once it was read."""
    codes = [*decoding.warnings]
    if not spans and "silence" not in codes:
        codes.append(NO_SPEECH)
    elif spans and not by_speech and sum(span.end - span.start for span in spans) < LITTLE * decoding.samples:
        codes.append(MOSTLY_SILENCE)
    return codes
