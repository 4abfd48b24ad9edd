"""The recognition, and its JSON form, result.json."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.annotated_handlers import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue, SkipJsonSchema
from pydantic_core import CoreSchema

from emovox.audio import quality
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.facts import Facts
from emovox.inference.frames import HEAD, Frames
from emovox.inference.nine import (
    OptionalConfidence,
    OptionalEmotion,
    OptionalScores,
    WithoutBaseline,
    is_none,
)
from emovox.inference.recording_facts import RecordingFacts
from emovox.inference.summary import SpeechSummary, summarize
from emovox.models.metadata import Precision
from emovox.models.readout import Kind
from emovox.policy import Ruling

SCHEMA: Literal[2] = 2

NO_HEAD, NO_SPEECH, MOSTLY_SILENCE = "no_head", "no_speech", "mostly_silence"
BASELINE_FAR, BASELINE_SHORT = "baseline_far", "baseline_short"
UNSURE, ABSTAINED, NOT_INFERRED = "unsure", "abstained", "not_inferred"
WORDS_BEYOND_END, WORDS_WITHOUT_SPEECH = "words_beyond_end", "words_without_speech"
WARNINGS = {
    **quality.WARNINGS,
    NO_SPEECH: "no speech was found: the emotion is that of noise or music, or unknown if only speech counts",
    MOSTLY_SILENCE: "less than a third is speech, and the rest counts too (--speech-only leaves it out)",
    NO_HEAD: "this model gives embeddings only, and no emotion",
    BASELINE_FAR: "unlike the recordings of the baseline: scores relative to it may be worse than without",
    BASELINE_SHORT: "too little speech for scores relative to itself: nothing is moved",
    UNSURE: "the model isn't sure: verdicts of so little confidence are wrong too often to be relied on",
    ABSTAINED: "the model isn't sure, and the policy gives nothing then: `unknown` stands for no verdict",
    WORDS_BEYOND_END: "lines of text begin after the end: are they another recording's?",
    WORDS_WITHOUT_SPEECH: "in most lines of text there is no speech: are they another recording's?",
    NOT_INFERRED: "the policy allows nothing but the talk time of this side: no model was run",
}
"""Every warning code a recognition may have, with its meaning."""

SUMMARY = "what the segments come to, by rule; left out without segments, speech or anything to judge"

Granularity = Literal["utterance", "frame"]


class ModelFacts(Facts):
    """The model."""

    name: str
    revision: str
    embedding_revision: str | None = Field(
        None,
        description="an earlier revision that gives the very same embeddings; left out if there is none",
        exclude_if=is_none,
    )
    precision: Precision = Field(description="of the arithmetic")
    checksum: str = Field(description="sha256 of the model file")
    emotions: dict[str, str] | None = Field(
        None,
        description="which of the nine each label was taken for; left out where it gives the nine by their "
        "names, or not at all",
        exclude_if=is_none,
    )

    @property
    def embeddings_of(self) -> str:
        """The revision of the embeddings: those of models that share it can be compared."""
        return self.embedding_revision or self.revision


class ReadoutResult(Facts):
    """What a readout gave: scores of its classes with the one that leads, or values."""

    kind: Kind = Field(description="how it is computed: `linear`, `pooled` or `window`")
    label: str | None = Field(None, description="the class with the highest score", exclude_if=is_none)
    confidence: float | None = Field(None, description="that score", ge=0, le=1, exclude_if=is_none)
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None,
        description="of each class, as the model spells it; they sum to 1, unless several can be true",
        exclude_if=is_none,
    )
    scores_without: dict[str, float] | None = Field(
        None, description="as they would be without the baseline, if there is one", exclude_if=is_none
    )
    values: dict[str, float] | None = Field(
        None, description="each by its name, such as arousal", exclude_if=is_none
    )
    range: tuple[float, float] | None = Field(
        None,
        description="of values: what the model was trained on; they may lie slightly outside",
        exclude_if=is_none,
    )
    created_at: AwareDatetime | None = Field(
        None, description="of a trained head: when it was trained", exclude_if=is_none
    )


def _with_head(data: Any, name: str = HEAD) -> Any:
    """The fields of schema 1 with its trained head among the readouts, under this name."""
    if not isinstance(data, dict) or not isinstance(data.get("head"), dict) or "readouts" in data:
        return data
    return {**data, "readouts": {name: {"kind": "linear", **data["head"]}}}


def trained(readouts: Mapping[str, ReadoutResult]) -> tuple[str, ReadoutResult] | None:
    """The name and result of the trained head with classes among readouts; None: none was used."""
    return next(
        (pair for pair in readouts.items() if pair[1].created_at is not None and pair[1].scores is not None), None
    )


class Segment(Facts):
    """A stretch of speech and its emotion."""

    start: float = Field(description="seconds", ge=0)
    end: float = Field(description="seconds", gt=0)
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    unsure: bool | None = Field(
        None,
        description="whether its confidence is one at which this model is wrong too often; left out where that "
        "wasn't measured. Of `unknown` with the score 1: whether the policy gives nothing for that reason",
        exclude_if=is_none,
    )
    channel: int | None = Field(None, description="the channel that was recognised alone, from 1", ge=1)
    label: str | None = Field(
        None,
        description="what somebody said that it is, by the archive's corrections; never in result.json itself",
        exclude_if=is_none,
    )
    readouts: dict[str, ReadoutResult] = Field(default_factory=dict, description="as of the recording")
    embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (D,), the mean of its frames, if embeddings were requested."""

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        return _with_head(data)

    @property
    def is_abstained(self) -> bool:
        """Whether nothing is given of it, as the model is unsure and the policy demands that."""
        return _is_abstained(self)

    @model_validator(mode="after")
    def _lasts(self) -> "Segment":
        if self.end <= self.start:
            raise ValueError(f"the segment from {self.start} to {self.end} s has no length")
        return self


class Line(Facts):
    """A line of text and the emotion over it; without emotion, scores and readouts where no speech was found."""

    start: float = Field(description="seconds", ge=0)
    end: float = Field(description="seconds", gt=0)
    text: str = Field(description="what is said, as somebody gave it")
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    unsure: bool | None = Field(None, description="as of a segment", exclude_if=is_none)
    readouts: dict[str, ReadoutResult] = Field(default_factory=dict, description="as of the recording")

    @property
    def is_abstained(self) -> bool:
        """As of a segment."""
        return _is_abstained(self)


def _is_abstained(item: Segment | Line) -> bool:
    return bool(item.unsure) and item.emotion == "unknown" and item.confidence == 1


Whole = TypeVar("Whole", Segment, Frames)


def _renamed(item: Whole, name: str) -> Whole:
    """The same with the trained head under its name, which parts of schema 1 don't give."""
    readouts = {name if key == HEAD else key: value for key, value in item.readouts.items()}
    return item.model_copy(update={"readouts": readouts})


class Recognition(Facts):
    """The result of one recording. `to_dict` is result.json; the embedding is in a file of its own."""

    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    granularity: Granularity
    timestamp: str = Field(description="created_at in local time", pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
    schema_version: Literal[2] = Field(SCHEMA, alias="schema", description="version of this form")
    created_at: AwareDatetime
    recording: RecordingFacts
    model: ModelFacts
    emovox: str = Field(description="version of the program")
    speech_only: bool | None = Field(
        None,
        description="whether only frames with speech count; left out by earlier versions",
        exclude_if=is_none,
    )
    warnings: list[str] = Field(
        description="codes of problems that may distort the verdict; empty if there are none"
    )
    readouts: dict[str, ReadoutResult] = Field(
        default_factory=dict,
        description="by name: what the model gives besides the nine emotions, in classes of its own or as values, "
        "and a trained head's verdict; empty if there is nothing to judge",
    )
    baseline: BaselineFacts | None = Field(
        None, description="what scores are relative to; left out without a baseline", exclude_if=is_none
    )
    policy: Ruling | None = Field(
        None,
        description="what the policy decided; left out if no side was declared and everything is allowed",
        exclude_if=is_none,
    )
    lines: list[Line] | None = Field(
        None, description="lines of text with the emotion over each, if text was given"
    )
    segments: list[Segment] | None = Field(None, description="stretches of speech in order, if requested")
    frames: Frames | None = Field(None, description="only with granularity `frame`")
    embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (1, D) by utterance or (T, D) by frame, if requested; as a file, embedding.npy."""
    mean_embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (D,), the mean of the frames that count, if embeddings were requested."""

    @model_serializer(mode="wrap")
    def _with_more(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data, summary = handler(self), self.summary
        return data if summary is None else {**data, "summary": summary.model_dump(mode="json")}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema, with the summary, which is written and never read."""
        schema = handler(core)
        handler.resolve_ref_schema(schema)["properties"]["summary"] = {
            **handler(SpeechSummary.__pydantic_core_schema__),
            "description": SUMMARY,
        }
        return schema

    @property
    def summary(self) -> SpeechSummary | None:
        """What its segments come to, by the rules of `emovox.inference.summary`; None: there is nothing to say."""
        return summarize(self.segments)

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        """Take schema 1, which knew one trained head and nothing else beside the nine."""
        if not isinstance(data, dict) or data.get("schema") != 1:
            return data
        name = (data.get("head") or {}).get("name", HEAD)
        data = {**_with_head(data, name), "schema": SCHEMA}
        if (segments := data.get("segments")) is not None:
            data["segments"] = [
                _renamed(item, name) if isinstance(item, Segment) else _with_head(item, name) for item in segments
            ]
        if (frames := data.get("frames")) is not None:
            data["frames"] = _renamed(Frames.model_validate(frames), name)
        return data

    @property
    def is_inferred(self) -> bool:
        """Whether anything was inferred: the policy may allow nothing but talk time."""
        return self.policy is None or self.policy.inferred

    def top(self, count: int = 9) -> list[tuple[str, float]]:
        """The `count` highest scores with their emotions, highest first; none by a model without the nine."""
        return sorted((self.scores or {}).items(), key=lambda item: -item[1])[:count]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what result.json holds, with the rows of frames in it."""
        return self._with_frames(inline=True)._dump(exclude=set())

    def to_json(self) -> str:
        """`to_dict` as text."""
        return "".join(self.json_pieces())

    def json_pieces(self, *, inline: bool = True) -> Iterator[str]:
        """`to_json` piece by piece, so that hours of frames are never in memory as text.

        Each segment, and each line of text, is on a line of its own, and so are all rows of frames, which would be
        long columns otherwise.

        Args:
            inline: with the rows of frames; else as in result.json, where only their file is described.
        """
        item = self._with_frames(inline=inline)
        rows = item.frames if item.frames is not None and item.frames.file is None else None
        data = item._dump(exclude={*_PARTS} if rows is None else {*_PARTS, "frames"})
        yield json.dumps(data, ensure_ascii=False, indent=2).removesuffix("\n}")
        for name in _PARTS:
            if (items := getattr(self, name)) is not None:
                texts = [json.dumps(item.model_dump(mode="json"), ensure_ascii=False) for item in items]
                yield (
                    f',\n  "{name}": [' + ",".join(f"\n    {text}" for text in texts) + ("\n  ]" if texts else "]")
                )
        if rows is not None:
            yield ',\n  "frames": '
            yield from rows.json_pieces()
        yield "\n}\n"

    def _with_frames(self, *, inline: bool) -> "Recognition":
        """The same with the rows of its frames, or with their description."""
        if self.frames is None:
            return self
        return self.model_copy(update={"frames": self.frames.inline() if inline else self.frames.described()})

    def _dump(self, exclude: set[str]) -> dict[str, Any]:
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude=exclude)
        return {key: value for key, value in data.items() if key not in _OPTIONAL or value is not None}

    @classmethod
    def from_json(cls, text: str | bytes) -> "Recognition":
        """Read `to_json` back, without the embedding.

        Raises:
            pydantic.ValidationError: it isn't the JSON of a recognition.
        """
        return cls.model_validate_json(text)


_PARTS = ("lines", "segments")  # in this order: what reads segments alone reads up to them
_OPTIONAL = (*_PARTS, "frames")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    schema = Recognition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Emovox result.json"}


def format_timestamp(moment: datetime) -> str:
    """Local time as `YYYY-MM-DD HH:MM:SS`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
