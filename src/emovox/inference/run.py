"""The inference run: one recording on its way through a model, from windows to a recognition."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source, open_recording
from emovox.audio.speech import Span, SpeechFinder
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.audio.windows import Window, cut, cut_at_pauses
from emovox.emotions import NAMES
from emovox.errors import EmovoxError, OptionsError
from emovox.inference.options import EmbeddingSink, Options, Sink
from emovox.inference.pooling import Pool, Segments
from emovox.inference.recognition import (
    MOSTLY_SILENCE,
    NO_HEAD,
    NO_SPEECH,
    Frames,
    HeadScores,
    HeadVerdict,
    ModelFacts,
    Recognition,
    RecordingFacts,
    Segment,
    format_timestamp,
    head_facts,
)
from emovox.inference.smoothing import smooth
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Floats, Output
from emovox.models.scores import Scores, certain, to_scores
from emovox.settings import settings
from emovox.version import __version__

if TYPE_CHECKING:
    from emovox.audio.decoding import Decoding
    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder, IsolatedDecoding

LITTLE = 1 / 3  # of a recording; with less speech, silence may decide the verdict if it counts
MERGE_GAP = 1.0  # seconds; a longer pause separates segments even if they have the same emotion


@dataclass(frozen=True)
class WindowTask:
    """A window for the model, and what its output counts for."""

    run: "InferenceRun"
    window: Window
    for_verdict: bool = True
    for_segments: bool = True


class InferenceRun:
    """One recording on its way; its windows may share batches with those of others.

    Attributes:
        waiting: windows that the model hasn't run yet.
        error: why there will be no recognition.
    """

    def __init__(
        self,
        metadata: Metadata,
        options: Options,
        classes: Sequence[str],
        *,
        sink: Sink | None = None,
        embedding_sink: EmbeddingSink | None = None,
    ) -> None:
        """Begin. `classes` are those that may win.

        Raises:
            HeadError: the head was trained on another model.
        """
        if options.head is not None:
            options.head.check(metadata)
        self.waiting = 0
        self.error: EmovoxError | None = None
        self._metadata, self._options, self._classes = metadata, options, classes
        self._sink, self._embedding_sink = sink, embedding_sink
        self._speech = SpeechFinder()
        self._whole, self._spoken = Pool(), Pool()
        self._segments = Segments(self._speech.spans, metadata)
        self._frame_logits: list[Floats] = []
        self._frame_speech: list[NDArray[np.bool_]] = []  # whether a frame is speech, if that matters
        self._head_logits: list[Floats] = []
        self._frames: list[Floats] = []
        self._facts: RecordingFacts | None = None
        self._warnings: list[str] = []

    def tasks(
        self, source: Source | Decoded, name: str | None, decoder: "IsolatedDecoder | None" = None
    ) -> Iterator[WindowTask]:
        """Read the recording and cut it into windows; `decoder` decodes it in another process.

        A short recording is one window, which gives the verdict. Its segments get windows of their own all the
        same, like those of a long one, so that what is said next doesn't colour them. If only speech counts, the
        whole recording is cut like that, because long silence would colour it, too.

        Raises:
            AudioError: it can't be used.
            DecoderError: no decoding process can be started.
        """
        metadata, options = self._metadata, self._options
        grid = {"hop": metadata.hop, "overlap": max(0, metadata.minimum_samples - metadata.hop)}
        with _opened(source, name, options.channel, options.track, decoder) as (decoding, name_, sha256):
            blocks = decoding.blocks() if self._sink is None else _tee(decoding.blocks(), self._sink)
            windows = cut(blocks, **grid, speech=self._speech)
            first = next(windows)
            alone = True
            for window in windows:
                if alone:
                    yield WindowTask(self, first)
                alone = False
                yield WindowTask(self, window)
            if alone:
                yield from self._short(first, grid)
            self._facts = _facts(decoding, self._speech.spans, name=name_, sha256=sha256)
            self._warnings = _warnings(decoding, self._speech.spans, by_speech=options.by_speech)

    def _short(self, whole: Window, grid: dict[str, int]) -> Iterator[WindowTask]:
        """The only window of a recording, and the windows between its pauses if speech needs its own."""
        options = self._options
        pieces = [whole]
        if options.segments or options.by_speech:
            pieces = list(cut_at_pauses(whole.waveform, self._speech.spans, **grid))
        alone = len(pieces) == 1 or options.by_speech
        if not alone:
            yield WindowTask(self, whole, for_segments=False)
        for piece in pieces:
            yield WindowTask(self, piece, for_verdict=alone)

    def add(self, task: WindowTask, output: Output) -> None:
        """Add the model's output for a task; tasks come in order."""
        self.waiting -= 1
        options = self._options
        if task.for_segments and options.frame_logits:
            speech = self._segments.add(output, task.window.start)
            if options.by_speech:
                self._spoken.add_frames(output, speech)
                if options.by_frame:
                    self._frame_speech.append(speech)
        if not task.for_verdict:
            return
        self._whole.add(output)
        if options.by_frame:
            assert output.frame_logits is not None  # noqa: S101  requested
            self._frame_logits.append(output.frame_logits)
            if output.frames is not None and options.head is not None:
                self._head_logits.append(options.head.logits(output.frames))
            if output.frames is not None and options.embedding:
                keep = self._frames.append if self._embedding_sink is None else self._embedding_sink
                keep(output.frames)

    def survey(self) -> tuple[RecordingFacts, tuple[str, ...], tuple[Span, ...]]:
        """The facts, warnings and spans of speech, once all tasks were taken.

        Raises:
            EmovoxError: the recording was not read to its end.
        """
        if self._facts is None:
            raise EmovoxError("the recording was not read to its end")
        return self._facts, tuple(self._warnings), tuple(self._speech.spans)

    def restore(self, facts: RecordingFacts, warnings: Sequence[str], spans: Sequence[Span]) -> None:
        """Take over another run's survey instead of reading the recording."""
        self._facts, self._warnings = facts, list(warnings)
        self._speech.spans.extend(spans)

    def finish(self, model: ModelFacts) -> Recognition | EmovoxError:
        """The recognition or the error, once no window is waiting."""
        if self.error is not None or self._facts is None:
            return self.error or EmovoxError("the recording was not read to its end")
        options, metadata = self._options, self._metadata
        pool = self._spoken if options.by_speech and self._spoken.frame_count else self._whole
        warnings = [*self._warnings, *([] if metadata.classes else [NO_HEAD])]
        unknown = self._is_empty or NO_HEAD in warnings
        scores = certain("unknown") if unknown else to_scores(pool.logits, self._classes)
        features, head = None, self._head
        if options.embedding and not options.by_frame:
            features = pool.embedding[np.newaxis]
        elif self._frames:
            features = np.concatenate(self._frames)
        now = datetime.now(timezone.utc).astimezone()
        return Recognition(
            **_verdict(scores),
            granularity=options.granularity,
            timestamp=format_timestamp(now),
            schema=1,
            created_at=now,
            recording=self._facts,
            model=model,
            emovox=__version__,
            speech_only=options.by_speech,
            warnings=warnings,
            head=head and self._head_verdict(head, pool),
            segments=self._segment_list(unknown) if options.segments else None,
            frames=self._curve(unknown) if options.by_frame else None,
            embedding=features,
            mean_embedding=pool.embedding if options.embedding else None,
        )

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing to judge: all is silence, or there is no speech and only speech counts."""
        return "silence" in self._warnings or (self._options.by_speech and not self._spoken.frame_count)

    @property
    def _head(self) -> Head | None:
        """The trained head, if there is one and anything to judge."""
        return None if self._is_empty else self._options.head

    @property
    def _counted(self) -> NDArray[np.bool_] | None:
        """Which frames of the curve count, (T,); None: all."""
        return np.concatenate(self._frame_speech) if self._frame_speech else None

    def _head_verdict(self, head: Head, pool: Pool) -> HeadVerdict:
        facts = head_facts(head, pool.embedding)
        return HeadVerdict(name=head.name, created_at=head.training.created_at, **facts)

    def _head_curve(self, width: float) -> dict[str, Any]:
        """The head's fields of the frames, if there is one."""
        head = self._head
        if head is None:
            return {}
        scores = smooth(
            np.concatenate(self._head_logits),
            head.classes,
            width=width,
            names=head.classes,
            counted=self._counted,
        )
        return {"head_labels": list(head.classes), "head_scores": scores}

    def _curve(self, unknown: bool) -> Frames:
        metadata, options = self._metadata, self._options
        hop = metadata.hop / metadata.sample_rate
        logits = np.concatenate(self._frame_logits)
        if unknown:
            scores = np.tile(certain("unknown").astype(np.float32), (len(logits), 1))
        else:
            counted = self._counted
            scores = smooth(logits, self._classes, width=options.smoothing / hop, counted=counted)
            if counted is not None:  # silence is no emotion
                scores[~counted] = certain("unknown")
        return Frames(
            hop=hop,
            first_centre=metadata.first_centre,
            labels=list(NAMES),
            smoothing=options.smoothing,
            logits=logits,
            scores=scores,
            **self._head_curve(options.smoothing / hop),
        )

    def _segment_list(self, unknown: bool) -> list[Segment]:
        options, head = self._options, self._head
        segments: list[tuple[Span, Pool, Scores]] = []
        for span, pool in self._segments.pools():
            scores = certain("unknown") if unknown else to_scores(pool.logits, self._classes)
            if options.merge and segments and _joins(segments[-1], span, scores):
                before, joined, _ = segments.pop()
                joined.join(pool)
                scores = certain("unknown") if unknown else to_scores(joined.logits, self._classes)
                segments.append((Span(before.start, span.end), joined, scores))
            else:
                segments.append((span, pool, scores))
        return [
            Segment(
                start=span.start / SAMPLE_RATE,
                end=span.end / SAMPLE_RATE,
                **_verdict(scores),
                channel=self._facts and self._facts.channel,
                head=head and HeadScores(**head_facts(head, pool.embedding)),
                embedding=pool.embedding if options.embedding else None,
            )
            for span, pool, scores in segments
        ]


def _joins(last: tuple[Span, Pool, Scores], span: Span, scores: Scores) -> bool:
    near = span.start - last[0].end <= MERGE_GAP * SAMPLE_RATE
    return near and int(last[2].argmax()) == int(scores.argmax())


def _verdict(scores: Scores) -> dict[str, object]:
    best = int(scores.argmax())
    return {
        "emotion": NAMES[best],
        "confidence": float(scores[best]),
        "scores": dict(zip(NAMES, scores.tolist(), strict=True)),
    }


def _tee(blocks: Iterator[Waveform], sink: Sink) -> Iterator[Waveform]:
    for block in blocks:
        sink(block)
        yield block


@contextmanager
def _opened(
    source: Source | Decoded,
    name: str | None,
    channel: int | None,
    track: int | None,
    decoder: "IsolatedDecoder | None",
) -> Iterator[tuple["Decoding | Decoded | IsolatedDecoding", str | None, str]]:
    """The source of the waveform, its name, and its checksum."""
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


def _facts(
    decoding: "Decoding | Decoded | IsolatedDecoding", spans: Sequence[Span], *, name: str | None, sha256: str
) -> RecordingFacts:
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
    )


def _warnings(
    decoding: "Decoding | Decoded | IsolatedDecoding", spans: Sequence[Span], *, by_speech: bool
) -> list[str]:
    warnings = [*decoding.warnings]
    if not spans and "silence" not in warnings:
        warnings.append(NO_SPEECH)
    elif spans and not by_speech and sum(span.end - span.start for span in spans) < LITTLE * decoding.samples:
        warnings.append(MOSTLY_SILENCE)
    return warnings
