"""Live recognition: events every quarter second, while the sound comes.

The stream is cut into steps of a quarter second at 16 kHz, whatever chunks it comes in, and each step is processed
by itself: so the same sound always gives the same events.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from emovox.audio.speech import CHUNK, PAUSE, SPEECH, SpeechFinder, VoiceActivity
from emovox.audio.waveform import (
    MAX_CHANNELS,
    SAMPLE_RATE,
    Resampler,
    Waveform,
    check_rate,
    to_channels_last,
    to_float,
)
from emovox.baselines.baseline import Baseline
from emovox.baselines.shift import Shift
from emovox.emotions import NAMES
from emovox.errors import ModelError, OptionsError, UnreadableAudioError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.nine import EmotionName, ScoreMap, WithoutBaseline, by_name
from emovox.inference.options import Sink
from emovox.inference.pooling import Pool
from emovox.inference.readouts import applied, window_functions
from emovox.inference.recognition import ABSTAINED, BASELINE_SHORT, NOT_INFERRED, ReadoutResult
from emovox.inference.running_shift import RunningShift
from emovox.inference.talk_time import stated
from emovox.models.head import Head
from emovox.models.runtime.engine import Engine
from emovox.models.scores import Scores, certain, emotion_scores
from emovox.policy import Ruling, Side

STEP = SAMPLE_RATE // 4
"""Samples from one event to the next."""
CONTEXT = 2 * SAMPLE_RATE
"""Samples that the model sees at once; before the stream there is silence. docs/live.md compares others."""
JUDGED = 1.0
"""Seconds, for how sure a verdict is."""
AVERAGED = round(JUDGED * SAMPLE_RATE)
"""Latest samples whose frames are averaged, if they are speech."""
BREAK = SAMPLE_RATE
"""Samples without speech after which there is no emotion."""
LEAST_SPEECH = 3
"""Chunks of 32 ms with speech that make the latest quarter second speech; fewer are a click."""
HOLD = SAMPLE_RATE // 2
"""Samples through which a new emotion must lead before it is announced."""
LEAD = 0.1
"""Difference in probability by which it must lead the current one."""

_RECENT = -(-STEP // CHUNK)  # chunks of the latest quarter second

EventsVersion = Literal[2]
"""Version of the events' JSON."""


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    def to_dict(self, events: EventsVersion = 2) -> dict[str, Any]:
        """Plain data for JSON, of this version.

        Raises:
            OptionsError: there is no such version.
        """
        if events != 2:
            raise OptionsError(f"events of version {events}: there are only those of version 2")
        return self.model_dump(mode="json")


class LiveUpdate(_Event):
    """The current scores. `emotion`, `confidence` and `scores` are None while nobody speaks.

    They are always None with a model that doesn't give the nine; what it gives is in `readouts`.

    In a pause shorter than a second they are those of the latest speech, and `speech` is false.
    """

    type: Literal["update"] = "update"
    time: float = Field(description="seconds of sound so far; a multiple of 0.25", gt=0)
    speech: bool = Field(description="whether somebody spoke in the latest quarter second")
    emotion: EmotionName | None = Field(None, description="the class with the highest score")
    confidence: float | None = Field(None, description="that score", ge=0, le=1)
    scores: ScoreMap | None = Field(
        None, description="probability of each of the nine emotions over the last second"
    )
    scores_without: WithoutBaseline = None
    readouts: dict[str, ReadoutResult] = Field(
        default_factory=dict, description="of the last second: values, classes other than the nine, a trained head"
    )


class EmotionChanged(_Event):
    """Another emotion has led for half a second, or there was no speech for one: then `emotion` is None."""

    type: Literal["emotion_changed"] = "emotion_changed"
    time: float = Field(description="seconds; when it became certain", gt=0)
    emotion: EmotionName | None = Field(description="from now on; null: nobody speaks")
    previous: EmotionName | None = Field(description="until now")
    confidence: float | None = Field(description="score of the new emotion; null while nobody speaks", ge=0, le=1)


Event = LiveUpdate | EmotionChanged


class Live:
    """A live stream, from `Recognizer.live`. For one thread at a time.

    Attributes:
        emotion: the current one, as announced by the latest `EmotionChanged`; None while nobody speaks.
        policy: what was decided of this voice; None: nobody said whose it is, and everything is allowed.
    """

    def __init__(
        self,
        engine: Engine,
        classes: Sequence[str],
        *,
        sample_rate: float = SAMPLE_RATE,
        head: Head | None = None,
        shift: Shift | Callable[[Baseline], Shift] | None = None,
        sink: Sink | None = None,
        ruling: Ruling,
        side: Side | None = None,
    ) -> None:
        """Begin.

        Args:
            engine: the model.
            classes: those of the nine that may win.
            sample_rate: of the samples to be pushed, Hz.
            head: a trained head to use, too.
            shift: of the baseline that all scores are relative to; or what gives that of a baseline, for
                all to be relative to the stream itself.
            sink: gets the waveform that the model gets, at 16 kHz.
            ruling: what the policy decided.
            side: whose voice it is.

        Raises:
            HeadError: the head was trained on another model.
            ModelError: the model gives embeddings only, and there is no head.
            UnreadableAudioError: the sample rate isn't supported.
        """
        metadata = engine.metadata
        self._inferred, self.policy = ruling.inferred, stated(ruling, side)
        self._abstain, self._abstained = ruling.abstain, False
        if not ruling.inferred:
            shift = None
        self._shift = None if callable(shift) else shift
        self._own = RunningShift(shift, metadata, step=STEP) if callable(shift) else None
        self._readouts = applied(metadata, engine.functions, head, classes or None, self._shift)
        if not self._readouts:
            raise ModelError(f"the model {metadata.name} gives embeddings only: choose one that knows emotions")
        check_rate(sample_rate)
        self._windows = window_functions(metadata, engine.functions)
        self._results: dict[str, ReadoutResult] = {}
        self.emotion: str | None = None
        self._engine, self._sink = engine, sink
        self._resampler = Resampler(sample_rate)
        self._rate = sample_rate
        self._taken = 0  # samples at that rate
        self._piece = max(1, round(sample_rate))  # samples: a long push is processed second by second
        self._ended = False
        self._rest: list[Waveform] = []  # less than a step
        self._rest_size = 0
        self._activity: VoiceActivity | SpeechFinder = VoiceActivity() if self._own is None else self._own.finder
        self._active = False
        self._end = 0  # of the steps so far, samples
        silence, chunks = np.zeros(STEP, np.float32), CONTEXT // CHUNK + 2
        self._steps: deque[Waveform] = deque([silence] * (CONTEXT // STEP), maxlen=CONTEXT // STEP)
        self._chunks: deque[bool] = deque([False] * chunks, maxlen=chunks)  # whether there is speech
        self._speaks = False
        self._pending = False  # there is speech that the model hasn't had
        self._quiet = BREAK  # samples since the latest speech
        self._scores: Scores | None = None
        self._without: dict[str, float] | None = None  # scores without the baseline, if one moves them
        self._leader: int | None = None  # the emotion that leads the current one
        self._leading = 0  # since which sample

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to another process, or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Live can't be pickled or copied: begin a stream in each process")

    @property
    def baseline(self) -> BaselineFacts | None:
        """What events are relative to: a baseline, or the stream's own segments so far, once they are enough."""
        shift = self._shift if self._own is None else self._own.target
        return None if shift is None else BaselineFacts.of(shift, self._engine.metadata)

    @property
    def warnings(self) -> list[str]:
        """Codes as in results: `baseline_short` as long as there is too little speech to be relative to.

        And `not_inferred` if the policy allows nothing but talk time, `abstained` if it withheld what was unsure.
        """
        if not self._inferred:
            return [NOT_INFERRED]
        short = self._own is not None and self._own.target is None
        return [*[BASELINE_SHORT] * short, *[ABSTAINED] * self._abstained]

    @property
    def needed(self) -> int:
        """Samples that must come before there can be another event; pushed sooner, they could as well wait.

        At other rates than 16 kHz the resampler may need a few more.
        """
        target = self._end + STEP - (self._rate != SAMPLE_RATE)  # it may round up
        return max(0, math.ceil(target * self._rate / SAMPLE_RATE) - self._taken)

    def push(self, samples: ArrayLike, *, catch_up: bool = False) -> list[Event]:
        """Add the next samples, any number of them; returns the events of the quarter seconds they complete.

        An event at time t comes with the push that completes the sound up to t; at other rates than 16 kHz the
        resampler needs a few milliseconds more.

        Args:
            samples: real numbers, (n,) or (n, channels), which are averaged. Integers have the full scale of their
                type, floats ±1.
            catch_up: the caller is late, and these are all samples since the last push: the model gets only the
                last of the quarter seconds with speech, and the events of the others are left out. So this costs
                one run of the model at most, however late. Later events may differ from those without
                `catch_up`, because the current emotion depends on earlier ones.

        Raises:
            UnreadableAudioError: the samples aren't sound, for example NaN; none of them is added.
            ModelError: the model failed.
        """
        if self._ended:
            raise OptionsError("this stream is finished: begin another with Recognizer.live")
        rows = _rows(np.asarray(samples))
        pieces = [rows[first : first + self._piece] for first in range(0, len(rows), self._piece)]
        for piece in pieces if len(pieces) > 1 else []:  # an error in the second hour must not lose the first's
            to_float(piece)
        self._taken += len(rows)
        return self._work((self._resampler.push(_to_mono(piece)) for piece in pieces), catch_up=catch_up)

    def finish(self) -> list[Event]:
        """End the stream; returns the events that waited for the resampler. Less than a step gives none."""
        if self._ended:
            return []
        self._ended = True
        last = self._resampler.push(np.empty(0, np.float32), last=True)
        events = self._work(iter([last]), catch_up=False)
        if self._own is not None:
            self._own.finish(np.concatenate(self._rest))
        return events

    def _work(self, blocks: Iterator[Waveform], *, catch_up: bool) -> list[Event]:
        events: list[Event] = []
        skipped = False
        for block in blocks:
            if self._sink is not None and len(block):
                self._sink(block)
            for step in self._cut(block):
                self._listen(step)
                skipped = catch_up and self._pending
                if not skipped:
                    events += self._events()
        return events + self._events() if skipped else events

    def _cut(self, block: Waveform) -> Iterator[Waveform]:
        """The steps that a block completes."""
        self._rest.append(block)
        self._rest_size += len(block)
        if self._rest_size < STEP:
            return
        samples = np.concatenate(self._rest)
        whole = len(samples) // STEP * STEP
        self._rest, self._rest_size = [samples[whole:].copy()], len(samples) - whole
        for first in range(0, whole, STEP):
            yield samples[first : first + STEP]

    def _listen(self, step: Waveform) -> None:
        """Add a step: is it speech?"""
        self._end += STEP
        self._steps.append(step)
        for probability in self._activity.push(step).tolist():
            # As in SpeechFinder: speech begins where it is probable, and ends where it is improbable.
            self._active = probability >= (PAUSE if self._active else SPEECH)
            self._chunks.append(self._active)
        self._speaks = sum(list(self._chunks)[-_RECENT:]) >= LEAST_SPEECH
        if self._speaks:
            self._quiet, self._pending = 0, self._inferred
            return
        self._quiet += STEP
        if self._quiet >= BREAK:
            self._scores = self._without = self._leader = None
            self._pending, self._results = False, {}

    def _events(self) -> list[Event]:
        """The events at the end of the latest step."""
        spoken, self._pending = self._pending, False
        if spoken:
            self._scores = self._judge()
        verdict: dict[str, Any] = {"readouts": self._results}
        if self._scores is not None:
            best = int(self._scores.argmax())
            verdict |= {
                "emotion": NAMES[best],
                "confidence": float(self._scores[best]),
                "scores": by_name(self._scores),
                "scores_without": self._without,
            }
        events: list[Event] = []
        if spoken and self._quiet:  # who is late has come to the pause behind the speech
            events.append(LiveUpdate(time=(self._end - self._quiet) / SAMPLE_RATE, speech=True, **verdict))
        events.append(LiveUpdate(time=self._end / SAMPLE_RATE, speech=self._speaks, **verdict))
        change = self._change()
        return events if change is None else [*events, change]

    def _judge(self) -> Scores | None:
        """Scores of the nine in the latest second, from one run of the model; its readouts' go to `_results`."""
        window = np.concatenate(list(self._steps))
        frames = self._own is not None or any(item.function is not None for item in self._readouts)
        [output] = self._engine.run([window], frame_logits=True, frames=frames)
        metadata = self._engine.metadata
        start = self._end - len(window) + round(metadata.first_centre * SAMPLE_RATE)
        centres = start + metadata.hop * np.arange(output.frame_count)
        count = self._end // CHUNK  # chunks so far; the rest of a step, up to 31 ms, waits for the next
        chunks = np.append(list(self._chunks), False)
        speech = chunks[np.minimum(centres // CHUNK - count, 0) - 1]
        chosen = speech & (centres >= self._end - self._quiet - AVERAGED)
        rows = chosen if chosen.any() else slice(None)
        pool = Pool(self._windows)
        pool.add_frames(output, rows)
        if self._own is not None:
            shift = self._own.update(self._end - self._quiet, pool.embedding)
            self._readouts = [item if shift is None else item.moved(shift) for item in self._readouts]
        emotions, unsure, self._without, self._results = None, False, None, {}
        for item in self._readouts:
            scores, without = item.scores(pool, JUDGED), item.scores_without(pool, JUDGED)
            if item.readout is metadata.emotions:
                emotions = emotion_scores(item.readout, scores)
                unsure = bool(item.is_unsure(float(emotions.max())))
                self._without = None if without is None else by_name(emotion_scores(item.readout, without))
            if not item.readout.is_nine:
                self._results[item.name] = item.result(scores, without)
        return self._withhold() if unsure and self._abstain else emotions

    def _withhold(self) -> Scores:
        """What is said instead of a verdict that is unsure; see `emovox.inference.abstention`."""
        self._abstained, self._results = True, {}
        self._without = self._without and by_name(certain("unknown"))
        return certain("unknown")

    def _change(self) -> EmotionChanged | None:
        """The announcement, if any: the leader has led through HOLD, or speech has ceased."""
        if self._scores is None:
            return None if self.emotion is None else self._announce(None)
        if not self._speaks:
            return None
        best = int(self._scores.argmax())
        current = 0.0 if self.emotion is None else self._scores[NAMES.index(self.emotion)]
        if NAMES[best] == self.emotion or self._scores[best] - current < LEAD:
            self._leader = None
            return None
        if best != self._leader:
            self._leader, self._leading = best, self._end
        return self._announce(best) if self._end - self._leading >= HOLD else None

    def _announce(self, best: int | None) -> EmotionChanged:
        emotion = None if best is None else NAMES[best]
        confidence = None if best is None or self._scores is None else float(self._scores[best])
        change = EmotionChanged(
            time=self._end / SAMPLE_RATE, emotion=emotion, previous=self.emotion, confidence=confidence
        )
        self.emotion, self._leader = emotion, None
        return change


def _rows(samples: NDArray[Any]) -> NDArray[np.generic]:
    """Samples as (n, channels). A chunk may have more channels than samples, so its shape isn't guessed."""
    column = to_channels_last(samples if samples.ndim != 2 else samples.reshape(-1))
    if samples.ndim != 2:
        return column
    if not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise UnreadableAudioError(
            f"an array of shape {samples.shape} isn't sound: give (samples,) or (samples, channels), "
            f"at most {MAX_CHANNELS} channels"
        )
    return samples


def _to_mono(rows: NDArray[Any]) -> Waveform:
    scaled = np.ascontiguousarray(to_float(rows))
    return scaled[:, 0] if scaled.shape[1] == 1 else scaled.mean(axis=1, dtype=np.float32)
