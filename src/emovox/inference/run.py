"""The inference run: one recording on its way through a model, from windows to a recognition."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source
from emovox.audio.speech import Span, SpeechFinder
from emovox.audio.windows import Window, cut, cut_at_pauses
from emovox.baselines.baseline import Baseline
from emovox.baselines.distance import is_far
from emovox.baselines.fitting import of_itself
from emovox.baselines.shift import Shift
from emovox.emotions import NAMES
from emovox.errors import EmovoxError
from emovox.inference import parts
from emovox.inference.abstention import as_ruled
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.frames import Frames
from emovox.inference.nine import by_name, five, of_the_nine
from emovox.inference.options import EmbeddingSink, Options, Sink
from emovox.inference.pooling import Pool, Segments
from emovox.inference.readouts import Curve, applied, window_functions
from emovox.inference.recognition import (
    BASELINE_FAR,
    BASELINE_SHORT,
    NO_HEAD,
    SCHEMA,
    UNSURE,
    ModelFacts,
    Recognition,
    Segment,
    format_timestamp,
)
from emovox.inference.recording_facts import RecordingFacts
from emovox.inference.source import facts, opened, tee, warnings
from emovox.inference.state import RunState, stack, unstack
from emovox.inference.summary import LONG
from emovox.inference.talk_time import stated, talk_time
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Floats, Output
from emovox.models.runtime.readout_function import Functions
from emovox.models.scores import certain, emotion_scores
from emovox.policy import Policy, Ruling
from emovox.policy import policy as the_policy
from emovox.version import __version__

if TYPE_CHECKING:
    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
    from emovox.inference.options import StateSink

SEGMENTS = 8  # of a recording, for its scores to be relative to itself


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
        functions: Functions,
        shift: Shift | Callable[[Baseline], Shift] | None = None,
        sink: Sink | None = None,
        embedding_sink: EmbeddingSink | None = None,
        state_sink: "StateSink | None" = None,
        policy: Policy | None = None,
    ) -> None:
        """Begin.

        Args:
            metadata: of the model.
            options: of this recognition.
            classes: those of the nine that may win.
            functions: of the model's readouts that aren't linear.
            shift: of the baseline that all scores are relative to; or what gives that of a baseline, for
                segments and curve to be relative to the recording itself.
            sink: as for `Recognizer.recognize`.
            embedding_sink: likewise.
            state_sink: as of `Request`.
            policy: decides what may be inferred; by default the setting's.

        Raises:
            HeadError: the head was trained on another model.
        """
        self._readouts = applied(metadata, functions, options.head, classes, None if callable(shift) else shift)
        self.waiting = 0
        self.error: EmovoxError | None = None
        self._metadata, self._options = metadata, options
        self._shift = None if callable(shift) else shift
        self._shift_of = shift if callable(shift) else None
        self._sink, self._embedding_sink, self._state_sink = sink, embedding_sink, state_sink
        self._speech = SpeechFinder()
        self._of_windows = window_functions(metadata, functions)
        self._whole, self._spoken = Pool(self._of_windows), Pool(self._of_windows)
        self._segments = Segments(self._speech.spans, metadata, self._of_windows)
        self._lines = None
        if options.words is not None:
            self._lines = parts.Lines(options.words, metadata, self._of_windows, shortest=options.smoothing)
        self._frame_speech: list[NDArray[np.bool_]] = []  # whether a frame is speech, if that matters
        self._frames: list[Floats] = []
        self._facts: RecordingFacts | None = None
        self._warnings: list[str] = []
        self._created_at: datetime | None = None
        self._policy = policy or the_policy()
        self._ruling: Ruling | None = None

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
        with opened(source, name, options.channel, options.track, decoder) as (decoding, name_, sha256):
            blocks = decoding.blocks() if self._sink is None else tee(decoding.blocks(), self._sink)
            first = list(islice(blocks, 1))  # with which it is known how many channels there are
            side = options.declared_side(decoding.channels)
            self._ruling = self._policy.rule(side, options.purpose, options.consent)
            blocks = chain(first, blocks)
            windows = cut(blocks, **grid, speech=self._speech)
            if self._ruling.inferred:
                yield from self._tasks(windows, grid)
            else:  # speech is found in them, and that is all
                deque(windows, maxlen=0)
            self._facts = facts(
                decoding, self._speech.spans, name=name_, sha256=sha256, side=side, options=options
            )
            self._warnings = warnings(decoding, self._speech.spans, by_speech=options.by_speech)

    def _tasks(self, windows: Iterator[Window], grid: dict[str, int]) -> Iterator[WindowTask]:
        first = next(windows)
        alone = True
        for window in windows:
            if alone:
                yield WindowTask(self, first)
            alone = False
            yield WindowTask(self, window)
        if alone:
            yield from self._short(first, grid)

    def _short(self, whole: Window, grid: dict[str, int]) -> Iterator[WindowTask]:
        """The only window of a recording, and the windows between its pauses if speech needs its own."""
        options = self._options
        pieces = [whole]
        if options.segments or options.by_speech or options.of_many or options.words is not None:
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
        speech: NDArray[np.bool_] | None = None
        if task.for_segments and options.frame_logits:
            in_span = self._segments.add(output, task.window.start)
            if self._lines is not None:
                self._lines.add(output, task.window.start, in_span)
            if options.by_speech or options.of_many:
                self._spoken.add_frames(output, in_span)
            if options.by_speech:
                speech = in_span
                if options.by_frame:
                    self._frame_speech.append(speech)
        if not task.for_verdict:
            return
        self._whole.add(output)
        if options.by_frame:
            for curve in self._curves:
                curve.add(output, speech)
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

    def restore(self, survey: RecordingFacts, codes: Sequence[str], spans: Sequence[Span]) -> None:
        """Take over another run's survey instead of reading the recording."""
        self._facts, self._warnings = survey, list(codes)
        self._speech.spans.extend(spans)
        self._ruling = self._policy.rule(survey.side, survey.purpose, survey.consent)

    def finish(self, model: ModelFacts) -> Recognition | EmovoxError:
        """The recognition or the error, once no window is waiting."""
        if self.error is not None or self._facts is None or self._ruling is None:
            return self.error or EmovoxError("the recording was not read to its end")
        options, metadata = self._options, self._metadata
        self._created_at = self._created_at or datetime.now(timezone.utc).astimezone()
        if self._state_sink is not None:
            self._state_sink(self._state(self._facts, self._created_at))
        words, spans = options.words, self._speech.spans
        codes = [*self._warnings, *parts.oddities(words or (), self._facts.duration, spans)]
        if not self._ruling.inferred:
            return talk_time(
                self._facts,
                codes,
                spans,
                ruling=self._ruling,
                model=model,
                created_at=self._created_at,
                words=words,
            )
        pool = self._spoken if options.by_speech and self._spoken.frame_count else self._whole
        features = None
        if options.embedding and not options.by_frame:
            features = pool.embedding[np.newaxis]
        elif self._frames:
            features = np.concatenate(self._frames)
        verdict = self._verdict(pool, self._facts.speech or 0.0)
        unsure = [UNSURE] if verdict.pop("unsure", False) else []
        misfit = self._misfit(pool) if self._shift_of is None else self._move_to_itself()
        recognition = Recognition(
            **verdict,
            granularity=options.granularity,
            timestamp=format_timestamp(self._created_at),
            schema=SCHEMA,
            created_at=self._created_at,
            recording=self._facts,
            model=model,
            emovox=__version__,
            speech_only=options.by_speech,
            warnings=[*codes, *([] if metadata.readouts else [NO_HEAD]), *misfit, *unsure],
            baseline=None if self._shift is None else BaselineFacts.of(self._shift, metadata),
            policy=stated(self._ruling, self._facts.side),
            lines=None if self._lines is None else self._lines.finish(self._verdict, spans),
            segments=self._segment_list(self._facts.channel) if self._has_segments else None,
            frames=self._curve() if options.by_frame else None,
            embedding=features,
            mean_embedding=pool.embedding if options.embedding else None,
        )
        return as_ruled(recognition, self._ruling)

    def _state(self, recording: RecordingFacts, created_at: datetime) -> RunState:
        options, segments = self._options, self._segments.all if self._has_segments else []
        with_embeddings = options.embedding or any(
            item.function is not None and item.readout.kind != "window" for item in self._readouts
        )  # otherwise nothing asks for the embeddings of segments, which would be most of what is kept
        arrays = stack([self._whole, self._spoken, *segments], embeddings=2 + len(segments) * with_embeddings)
        if options.by_frame:
            arrays |= {f"curve.{index}": curve.logits for index, curve in enumerate(self._curves)}
        for name, rows in (("counted", self._frame_speech), ("frames", self._frames)):
            if rows:
                arrays[name] = np.concatenate(rows)
        has_speech = bool(self._spoken.frame_count) and "silence" not in self._warnings
        speech = self._spoken.embedding if has_speech else None
        return RunState(recording, tuple(self._warnings), tuple(self._speech.spans), created_at, speech, arrays)

    def resume(self, state: RunState) -> None:
        """Take over what another run with these options kept, instead of reading and inferring."""
        self.restore(state.facts, state.warnings, state.spans)
        self._created_at = state.created_at
        self._whole, self._spoken, *segments = unstack(state.arrays, self._of_windows)
        self._segments.restore(segments)
        if self._options.by_frame:
            for index, curve in enumerate(self._curves):
                curve.restore(state.arrays[f"curve.{index}"])
        self._frame_speech = [state.arrays["counted"]] if "counted" in state.arrays else []
        self._frames = [state.arrays["frames"]] if "frames" in state.arrays else []

    @property
    def _has_segments(self) -> bool:
        """Whether the result has segments: where nobody says, if it is long."""
        segments = self._options.segments
        return self._facts is not None and self._facts.duration > LONG if segments is None else segments

    @property
    def _is_empty(self) -> bool:
        """Whether there is nothing to judge: all is silence, or there is no speech and only speech counts."""
        return "silence" in self._warnings or (self._options.by_speech and not self._spoken.frame_count)

    @cached_property
    def _curves(self) -> list[Curve]:
        width = self._options.smoothing * self._metadata.sample_rate / self._metadata.hop
        return [Curve(item, width=width) for item in self._readouts]

    @property
    def _counted(self) -> NDArray[np.bool_] | None:
        """Which frames of the curve count, (T,); None: all."""
        return np.concatenate(self._frame_speech) if self._frame_speech else None

    def _verdict(self, pool: Pool, seconds: float) -> dict[str, Any]:
        """The fields of a whole or a segment, of so many seconds of sound, that its readouts fill."""
        if self._is_empty:
            silent = five(certain("unknown")) if self._metadata.emotions else {}
            return silent if self._shift is None else {**silent, "scores_without": silent["scores"]}
        fields: dict[str, Any] = {"readouts": {}}
        for item in self._readouts:
            scores, without = item.scores(pool, seconds), item.scores_without(pool, seconds)
            if item.readout is self._metadata.emotions:
                fields |= five(emotion_scores(item.readout, scores))
                if without is not None:
                    fields["scores_without"] = by_name(emotion_scores(item.readout, without))
                fields["unsure"] = item.is_unsure(fields["confidence"])
            if not item.readout.is_nine:
                fields["readouts"][item.name] = item.result(scores, without)
        return fields

    def _move_to_itself(self) -> list[str]:
        """Make scores relative to the recording itself from now on; or warn that it has too little speech."""
        rows = [pool.embedding for _, pool in self._segments.pools()]
        if self._shift_of is None or len(rows) < SEGMENTS or self._is_empty:
            return [BASELINE_SHORT]
        self._shift = self._shift_of(of_itself(rows, self._metadata))
        self._readouts = [item.moved(self._shift) for item in self._readouts]
        for item, curve in zip(self._readouts, self._curves if self._options.by_frame else (), strict=False):
            curve.item = item
        return []

    def _misfit(self, pool: Pool) -> list[str]:
        """The warning that the recording is unlike those that the baseline was made of, if it is."""
        if self._shift is None or self._is_empty or not is_far(self._shift.baseline, pool.embedding):
            return []
        return [BASELINE_FAR]

    def _curve(self) -> Frames:
        metadata, counted = self._metadata, self._counted
        frames: dict[str, Any] = {"readouts": {}}
        for item, curve in zip(self._readouts, self._curves, strict=True):
            logits, numbers = curve.finish(counted)
            if item.readout is metadata.emotions:
                scores = emotion_scores(item.readout, numbers).astype(np.float32)
                if self._is_empty:  # silence is not an emotion
                    scores[:] = certain("unknown")
                elif counted is not None:
                    scores[~counted] = certain("unknown")
                frames |= {"labels": list(NAMES), "scores": scores}
            if item.readout.is_nine and logits is not None:
                frames["logits"] = of_the_nine(item.readout, logits)
            elif not self._is_empty:
                frames["readouts"][item.name] = curve.describe(logits, numbers)
        return Frames(
            hop=metadata.hop / metadata.sample_rate,
            first_centre=metadata.first_centre,
            smoothing=self._options.smoothing,
            **frames,
        )

    def _segment_list(self, channel: int | None) -> list[Segment]:
        options = self._options
        return parts.segments(
            self._segments.pools(),
            self._verdict,
            merge=options.merge,
            channel=channel,
            embeddings=options.embedding,
        )
