"""The options of a recognition: each declared once, here.

The library's keyword arguments, the command's options and the service's parameters are made of these fields: name,
type, default, limits, and what it is for. Only type checkers must be told again, in `OptionArguments`.
"""

import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source
from emovox.audio.waveform import Waveform
from emovox.baselines.baseline import CORPUS, RECOGNIZED, SELF, SPEAKER, Baseline
from emovox.baselines.shift import check_expectation, parse_expectation
from emovox.emotions import NAMES
from emovox.errors import OptionsError
from emovox.inference.recognition import Granularity
from emovox.inference.smoothing import SMOOTHING
from emovox.inference.stored_result import Part
from emovox.models.head import Head
from emovox.models.runtime.engine import Floats
from emovox.notes import NOTE, NOTES, note
from emovox.policy import SIDES, Side, parse_sides, side_of
from emovox.words import Cue, as_cues, read

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from emovox.inference.state import RunState

    StateSink = Callable[[RunState], None]

Sink = Callable[[Waveform], None]
"""Takes the blocks of waveform that the model is given, in order."""
EmbeddingSink = Callable[[Floats], None]
"""Takes the embeddings of frames, float32 (n, D), in order."""

Channel = Annotated[
    int | None,
    Field(
        ge=1,
        description="recognise this channel alone, from 1; by default the mean, or the loudest where channels "
        "cancel out",
    ),
]


Note = Annotated[
    str | None,
    BeforeValidator(lambda value: None if value is None else note(str(value))),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NOTE}),
]
"""A short text that is kept with the result."""


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """The options that are alike in the library, the command and the service."""

    granularity: Annotated[Granularity, Field(description="`frame` adds the scores of every frame (20 ms)")] = (
        "utterance"
    )
    embedding: Annotated[
        bool, Field(description="also give the embedding: float32 (1, D), or (T, D) by frame")
    ] = False
    segments: Annotated[
        bool | None, Field(description="also give each stretch of speech with its times and emotion")
    ] = False
    """None: of a recording longer than half a minute, for its summary."""
    merge: Annotated[
        bool, Field(description="join segments of one emotion up to a second apart; implies segments")
    ] = False
    speech_only: Annotated[
        bool | None,
        Field(
            description="leave silence out of verdict and curve; by default only for a channel that was asked for"
        ),
    ] = None
    smoothing: Annotated[
        float,
        Field(ge=0, le=3600, description="seconds over which the curve's scores are smoothed; 0: not at all"),
    ] = SMOOTHING
    channel: Channel = None
    track: Annotated[
        int | None,
        Field(
            ge=1,
            le=1024,
            description="recognise this audio track, from 1; by default the main one, or the next that isn't "
            "silent",
        ),
    ] = None
    emotions: Annotated[
        Collection[str] | None, Field(description=f"choose only among these: {', '.join(NAMES)}")
    ] = None
    purpose: Annotated[
        Note,
        Field(description="what it is recognised for, in a few words, as `quality`; kept with the result"),
    ] = None
    consent: Annotated[
        Note,
        Field(
            description="where the consent is kept, as `form 12/2026`: a reference, never the document; kept with "
            "the result"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Options(CommonOptions):
    """What is wanted of every recording.

    Raises:
        OptionsError: a value that means nothing.
    """

    head: Annotated[Head | None, Field(description="also apply this trained head: classes of your own")] = None
    baseline: Annotated[
        Baseline | Literal["self", "corpus", "speaker"] | None,
        Field(
            description="recognise emotions relative to this baseline: recordings of one voice, line or room; "
            "`self`: segments, which it implies, and curve relative to the recording itself"
        ),
    ] = None
    expect: Annotated[
        Mapping[str, float] | None,
        Field(
            description="share of an emotion that the baseline's recordings are taken to have, if not half "
            "neutral and half all others: `neutral=0.8`; the others share the rest"
        ),
    ] = None

    side: Annotated[
        Sequence[Side | None] | None,
        Field(
            description=f"whose voice it is: {', '.join(SIDES[:-1])} or {SIDES[-1]}; of channels one by one a "
            "list, as `customer,worker`, with `open` where nobody says. A policy may allow nothing but the talk "
            "time of workers and pupils"
        ),
    ] = None

    words: Annotated[
        Sequence[Cue] | None,
        Field(
            description="lines of text with their times, as of a transcript, or a file of them (.srt, .vtt, "
            ".TextGrid, or a transcriber's .json): the result has the emotion over each"
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.words is not None:
            object.__setattr__(self, "words", as_cues(self.words))
        if self.side is not None:
            object.__setattr__(self, "side", parse_sides(self.side))
        for key in NOTES:
            if (text := getattr(self, key)) is not None:
                object.__setattr__(self, key, note(text))
        for name, info in declared(Options).items():
            value = getattr(self, name)
            if (advice := _advice(info, value)) is not None:
                raise OptionsError(f"{name} {value!r}: {advice}")
        if self.expect is not None:
            if self.baseline is None:
                raise OptionsError(
                    "expect says what the recordings of a baseline are like: choose a baseline, too"
                )
            object.__setattr__(self, "expect", check_expectation(self.expect))
        if self.merge or self.baseline == SELF:  # what is merged, or all that is moved, is wanted
            object.__setattr__(self, "segments", True)

    @property
    def baseline_side(self) -> Side | None:
        """Whose voices its baseline is of; None: it has none, or that doesn't say."""
        return self.baseline.side if isinstance(self.baseline, Baseline) else None

    def declared_side(self, channels: int) -> Side | None:
        """Whose voice a recording of so many channels is, or its channel: as was declared, else its baseline's.

        What is said of the recording itself holds, also where the baseline says another: it is nearer to it.

        Raises:
            PolicyError: as `side_of`.
        """
        return side_of(self.side, self.channel, channels) or self.baseline_side

    @classmethod
    def of(cls, **arguments: "Unpack[OptionArguments]") -> "Options":
        """The options that keyword arguments mean; head and baseline by name or path, too, `expect` as text.

        Raises:
            HeadError: there is no such head.
            BaselineError: there is no such baseline.
            OptionsError: a value that means nothing, or a file of words can't be read.
        """
        values: dict[str, Any] = {**arguments}
        if (head := values.get("head")) is not None:
            values["head"] = Head.find(head)
        if (baseline := values.get("baseline")) == RECOGNIZED:
            raise OptionsError(f"baseline {RECOGNIZED}: that is for what is in the archive")
        if baseline is not None:
            values["baseline"] = baseline if baseline in (SELF, CORPUS, SPEAKER) else Baseline.find(baseline)
        if isinstance(words := values.get("words"), (str, Path)):
            values["words"] = read(words)
        if isinstance(expect := values.get("expect"), str):
            values["expect"] = parse_expectation(expect)
        return cls(**values)

    def showing(self, parts: Collection[Part]) -> "Options":
        """The same, for a result that has these parts too."""
        return replace(
            self,
            granularity="frame" if "frames" in parts else self.granularity,
            segments="segments" in parts or self.segments,
        )

    @property
    def by_frame(self) -> bool:
        """Whether the curve is wanted."""
        return self.granularity == "frame"

    @property
    def by_speech(self) -> bool:
        """Whether only frames with speech count. Where nobody says: of one channel, as half a call is silence."""
        return self.channel is not None if self.speech_only is None else self.speech_only

    @property
    def frame_logits(self) -> bool:
        """Whether the model must give the logits of frames."""
        if self.segments is not False or self.words is not None:
            return True
        return self.by_frame or self.by_speech or self.baseline == SELF or self.of_many

    @property
    def of_many(self) -> bool:
        """Whether the baseline is of all recordings of a run, which is known only when the last was recognised."""
        return self.baseline in (CORPUS, SPEAKER)

    @property
    def frame_embeddings(self) -> bool:
        """Whether the model must give the embeddings of frames."""
        return (self.embedding or self.head is not None or self._measures_speech) and self.frame_logits

    @property
    def _measures_speech(self) -> bool:
        """Whether the embedding of the speech alone is needed: a baseline is made of it, or compared with it."""
        return self.baseline is not None and (self.by_speech or self.baseline == SELF or self.of_many)


class LiveArguments(TypedDict, total=False):
    """Those of `OptionArguments` that a live stream has, too."""

    emotions: Collection[str] | None
    head: str | Path | Head | None
    baseline: str | Path | Baseline | None
    expect: str | Mapping[str, float] | None
    side: str | Sequence[str | None] | None
    purpose: str | None
    consent: str | None


class OptionArguments(LiveArguments, total=False):
    """The fields of `Options`, as type checkers must be told of keyword arguments; a test compares the two."""

    granularity: Granularity
    embedding: bool
    segments: bool | None
    merge: bool
    speech_only: bool | None
    smoothing: float
    channel: int | None
    track: int | None
    words: str | Path | Sequence[Cue | Mapping[str, Any]] | None


@cache
def declared(kind: type[CommonOptions]) -> dict[str, FieldInfo]:
    """What is declared of each option, by name: type, limits, description."""
    return {
        name: FieldInfo.from_annotation(hint) for name, hint in get_type_hints(kind, include_extras=True).items()
    }


def choices(info: FieldInfo) -> tuple[str, ...]:
    """The words that an option may be, where it is one of some."""
    return get_args(info.annotation) if get_origin(info.annotation) is Literal else ()


def limits(info: FieldInfo) -> tuple[float | None, float | None]:
    """The least and the most that an option may be."""
    bounds = {name: getattr(item, name) for item in info.metadata for name in ("ge", "le") if hasattr(item, name)}
    return bounds.get("ge"), bounds.get("le")


def described(*, indent: int) -> str:
    """The options for a docstring, a paragraph each, indented save for the first."""
    space = " " * indent
    paragraphs = (f"{name}: {info.description}." for name, info in declared(Options).items())
    filled = (
        textwrap.fill(text, 112, initial_indent=space, subsequent_indent=f"{space}    ") for text in paragraphs
    )
    return "\n".join(filled).lstrip()


def _advice(info: FieldInfo, value: Any) -> str | None:
    """What to give instead of a value; None: it is well."""
    if (words := choices(info)) and value not in words:
        return f"choose {' or '.join(words)}"
    least, most = limits(info)
    if value is None or least is None or least <= value <= (float("inf") if most is None else most):
        return None
    return f"give {least} or more" if most is None else f"give {least} to {most}"


@dataclass(frozen=True)
class Request:
    """One recording and what is wanted of it, for `Recognizer.recognize_together`.

    Attributes:
        recording: as for `Recognizer.recognize`, or one that was decoded before, with its own name.
        options: each request has its own.
        name: what to call it in the result; by default its file name.
        sink: is given the waveform, block by block.
        embedding_sink: is given the embeddings of frames instead of the result.
        state_sink: is given the state of the run, from which it can be finished relative to a baseline that is
            known only later; the recognition is without one.
    """

    recording: Source | Decoded
    options: Options = field(default_factory=Options)
    name: str | None = None
    sink: Sink | None = None
    embedding_sink: EmbeddingSink | None = None
    state_sink: "StateSink | None" = None
