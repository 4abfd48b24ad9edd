"""The recognition, and its JSON form, result.json."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from emovox.audio import quality
from emovox.emotions import NAMES
from emovox.models.head import Head
from emovox.models.metadata import Precision
from emovox.models.scores import check_scores

SCHEMA: Literal[1] = 1
SCORE_DIGITS, LOGIT_DIGITS = 6, 4  # decimals of a frame's numbers in JSON, so that hours of them stay readable
_ROWS = 1000  # frames converted to text at once

NO_HEAD, NO_SPEECH, MOSTLY_SILENCE = "no_head", "no_speech", "mostly_silence"
WARNINGS = {
    **quality.WARNINGS,
    NO_SPEECH: "no speech was found: the emotion is that of noise or music, or unknown if only speech counts",
    MOSTLY_SILENCE: "less than a third is speech, and the rest counts too (--speech-only leaves it out)",
    NO_HEAD: "this model gives embeddings only: the emotion is unknown",
}
"""Every warning code a recognition may have, with its meaning."""

Granularity = Literal["utterance", "frame"]

_score = {"type": "number", "minimum": 0, "maximum": 1}


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"{name!r} isn't one of the nine emotions")
    return name


def _of_all_nine(scores: dict[str, float]) -> dict[str, float]:
    if set(scores) != set(NAMES):
        raise ValueError("the scores must be those of the nine emotions")
    return scores


def _probable(scores: dict[str, float]) -> dict[str, float]:
    check_scores(list(scores.values()))
    return scores


EmotionName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(NAMES)})]
NumberMap = Annotated[
    dict[str, float],
    AfterValidator(_of_all_nine),
    WithJsonSchema(
        {
            "type": "object",
            "properties": dict.fromkeys(NAMES, _score),
            "required": list(NAMES),
            "additionalProperties": False,
        }
    ),
]
"""A number for each of the nine emotions."""
ScoreMap = Annotated[NumberMap, AfterValidator(_probable)]


def _as_array(value: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(value, dtype=np.float32)
    if not array.size:
        return array.reshape(0, len(NAMES))
    if array.ndim != 2 or array.shape[1] != len(NAMES):
        raise ValueError(f"give rows of {len(NAMES)} numbers, not the shape {array.shape}")
    return array


def _as_rows(value: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(value, dtype=np.float32)


def _probable_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    check_scores(rows)
    return rows


def _rows(digits: int) -> Callable[[NDArray[np.float32]], list[list[float]]]:
    def to_rows(value: NDArray[np.float32]) -> list[list[float]]:
        rounded: list[list[float]] = value.astype(np.float64).round(digits).tolist()
        return rounded

    return to_rows


def _array_of(items: dict[str, Any]) -> WithJsonSchema:
    row = {"type": "array", "items": items, "minItems": len(NAMES), "maxItems": len(NAMES)}
    return WithJsonSchema({"type": "array", "items": row})


FrameScores = Annotated[
    NDArray[np.float32],
    BeforeValidator(_as_array),
    AfterValidator(_probable_rows),
    PlainSerializer(_rows(SCORE_DIGITS)),
    _array_of(_score),
]
HeadRows = Annotated[
    NDArray[np.float32],
    BeforeValidator(_as_rows),
    AfterValidator(_probable_rows),
    PlainSerializer(_rows(SCORE_DIGITS)),
    WithJsonSchema({"type": "array", "items": {"type": "array", "items": _score}}),
]
FrameLogits = Annotated[
    NDArray[np.float32],
    BeforeValidator(_as_array),
    PlainSerializer(_rows(LOGIT_DIGITS)),
    _array_of({"type": "number"}),
]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    def __eq__(self, other: object) -> bool:
        """Equal in every field; arrays in every number, with NaN equal to NaN."""
        if type(other) is not type(self):
            return NotImplemented
        return all(_equal(getattr(self, name), getattr(other, name)) for name in type(self).model_fields)

    __hash__ = None  # type: ignore[assignment]  # scores and arrays can change


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return not (isinstance(one, np.ndarray) or isinstance(other, np.ndarray)) and one == other


class _Headed(_Facts):
    """Facts with optional fields of a trained head, which are left out without one."""

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if value is not None or not key.startswith("head")}


class RecordingFacts(_Facts):
    """The recording."""

    name: str | None = Field(description="file name; null for bytes and arrays without one")
    sha256: str = Field(
        description="checksum of the file, or of an array's bytes with its type, shape and sample rate"
    )
    duration: float = Field(description="seconds of sound decoded", ge=0)
    sample_rate: int = Field(description="the recording's own, Hz", gt=0)
    channels: int = Field(description="the recording's own; the model gets their mean", gt=0)
    channel: int | None = Field(
        None, description="the one that was recognised alone, from 1; null: all of them", ge=1
    )
    track: int | None = Field(
        None, description="the audio track that was recognised, from 1; left out if there is only one", ge=1
    )
    tracks: list[str] | None = Field(
        None, description="languages and titles of its audio tracks; left out if there is only one"
    )
    codec: str | None = Field(description="FFmpeg's name of the codec; null for an array")
    speech: float | None = Field(None, description="seconds of speech found", ge=0)

    @model_serializer(mode="wrap")
    def _without_tracks(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if value is not None or key not in {"track", "tracks"}}


class ModelFacts(_Facts):
    """The model."""

    name: str
    revision: str
    embedding_revision: str | None = Field(
        None,
        description="an earlier revision that gives the very same embeddings; left out if there is none",
        exclude_if=lambda value: value is None,
    )
    precision: Precision = Field(description="of the arithmetic")
    checksum: str = Field(description="sha256 of the model file")

    @property
    def embeddings_of(self) -> str:
        """The revision of the embeddings: those of models that share it can be compared."""
        return self.embedding_revision or self.revision


class HeadScores(_Facts):
    """Scores of a trained head, in classes of its own."""

    label: str = Field(description="the class with the highest score")
    confidence: float = Field(description="that score", ge=0, le=1)
    scores: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], AfterValidator(_probable)] = Field(
        description="probability of each of the head's classes; they sum to 1"
    )


class HeadVerdict(HeadScores):
    """The verdict of a trained head on a recording."""

    name: str = Field(description="of the head")
    created_at: AwareDatetime = Field(description="when it was trained")


def head_facts(head: Head, embedding: NDArray[np.float32]) -> dict[str, Any]:
    """A head's scores of an embedding (D,): the fields of `HeadScores`."""
    scores = head.scores(embedding)
    best = int(scores.argmax())
    named = dict(zip(head.classes, scores.tolist(), strict=True))
    return {"label": head.classes[best], "confidence": float(scores[best]), "scores": named}


class Frames(_Headed):
    """The curve over time, a row for every frame.

    `logits` are the model's own: their mean is the recording's verdict before the softmax. A single frame's are
    jittery, and no model was trained to judge 20 ms. `scores` are what to look at: the softmax of the mean logits
    within `smoothing` seconds around each frame.
    """

    hop: float = Field(description="seconds from one frame's centre to the next", gt=0)
    first_centre: float = Field(description="seconds from the start to the first frame's centre", ge=0)
    labels: list[str] = Field(description="the emotion of each column")
    smoothing: float = Field(description="seconds over which `scores` are smoothed; 0: not at all", ge=0)
    logits: FrameLogits = Field(description="a row for each frame, T x 9, as the model gives them")
    scores: FrameScores = Field(
        description="a row for each frame, T x 9, smoothed; each row sums to 1 up to rounding"
    )
    head_labels: list[str] | None = Field(None, description="the class of each column of `head_scores`")
    head_scores: HeadRows | None = Field(
        None,
        description="scores of a trained head, if one was used: a row for each frame, smoothed like `scores`",
    )

    @model_validator(mode="after")
    def _as_long(self) -> "Frames":
        if self.head_scores is not None and self.head_scores.shape != (
            len(self.scores),
            len(self.head_labels or []),
        ):
            raise ValueError("the head needs as many frames as the emotions, and as many columns as labels")
        if len(self.logits) != len(self.scores) or self.labels != list(NAMES):
            raise ValueError("frames need as many rows of logits as of scores, and the nine emotions as labels")
        return self

    @property
    def times(self) -> NDArray[np.float64]:
        """Centre of each frame, seconds, (T,)."""
        return self.first_centre + self.hop * np.arange(len(self.scores), dtype=np.float64)


class Segment(_Headed):
    """A stretch of speech and its emotion."""

    start: float = Field(description="seconds", ge=0)
    end: float = Field(description="seconds", gt=0)
    emotion: EmotionName = Field(description="the class with the highest score")
    confidence: float = Field(description="that score", ge=0, le=1)
    scores: ScoreMap = Field(description="probability of each of the nine emotions; they sum to 1")
    channel: int | None = Field(None, description="the channel that was recognised alone, from 1", ge=1)
    head: HeadScores | None = Field(None, description="scores of a trained head, if one was used")
    embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (D,), the mean of its frames, if embeddings were requested."""

    @model_validator(mode="after")
    def _lasts(self) -> "Segment":
        if self.end <= self.start:
            raise ValueError(f"the segment from {self.start} to {self.end} s has no length")
        return self


class Recognition(_Headed):
    """The result of one recording. `to_dict` is result.json; the embedding is in a file of its own."""

    emotion: EmotionName = Field(description="the class with the highest score")
    confidence: float = Field(description="that score", ge=0, le=1)
    scores: ScoreMap = Field(description="probability of each of the nine emotions; they sum to 1")
    granularity: Granularity
    timestamp: str = Field(description="created_at in local time", pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
    schema_version: Literal[1] = Field(SCHEMA, alias="schema", description="version of this form")
    created_at: AwareDatetime
    recording: RecordingFacts
    model: ModelFacts
    emovox: str = Field(description="version of the program")
    speech_only: bool | None = Field(
        None,
        description="whether only frames with speech count; left out by earlier versions",
        exclude_if=lambda value: value is None,
    )
    warnings: list[str] = Field(
        description="codes of problems that may distort the verdict; empty if there are none"
    )
    head: HeadVerdict | None = Field(
        None, description="verdict of a trained head, if one was used and there is anything to judge"
    )
    segments: list[Segment] | None = Field(None, description="stretches of speech in order, if requested")
    frames: Frames | None = Field(None, description="only with granularity `frame`")
    embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (1, D) by utterance or (T, D) by frame, if requested; as a file, embedding.npy."""
    mean_embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (D,), the mean of the frames that count, if embeddings were requested."""

    def top(self, count: int = 9) -> list[tuple[str, float]]:
        """The `count` highest scores with their emotions, highest first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:count]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, exactly what result.json holds."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        return {key: value for key, value in data.items() if key not in _OPTIONAL or value is not None}

    def to_json(self) -> str:
        """`to_dict` as text."""
        return "".join(self.json_pieces())

    def json_pieces(self) -> Iterator[str]:
        """`to_json` piece by piece, so that hours of frames are never in memory as text.

        Each segment is on a line of its own, and so are all frames, which would be long columns otherwise.
        """
        data = self.model_dump(mode="json", by_alias=True, exclude={"frames", "segments"})
        yield json.dumps(data, ensure_ascii=False, indent=2).removesuffix("\n}")
        if self.segments is not None:
            lines = [json.dumps(item.model_dump(mode="json"), ensure_ascii=False) for item in self.segments]
            yield ',\n  "segments": [' + ",".join(f"\n    {line}" for line in lines) + ("\n  ]" if lines else "]")
        if self.frames is not None:
            facts = self.frames.model_dump(mode="json", exclude={"logits", "scores", "head_scores"})
            yield ',\n  "frames": ' + json.dumps(facts, ensure_ascii=False).removesuffix("}")
            yield from _series("logits", self.frames.logits, LOGIT_DIGITS)
            yield from _series("scores", self.frames.scores, SCORE_DIGITS)
            if self.frames.head_scores is not None:
                yield from _series("head_scores", self.frames.head_scores, SCORE_DIGITS)
            yield "}"
        yield "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Recognition":
        """Read `to_json` back, without the embedding.

        Raises:
            pydantic.ValidationError: it isn't the JSON of a recognition.
        """
        return cls.model_validate_json(text)


_OPTIONAL = ("segments", "frames")


def _series(name: str, values: NDArray[np.float32], digits: int) -> Iterator[str]:
    """A member of an object, with rows converted to text a few at a time."""
    to_rows = _rows(digits)
    yield f', "{name}": ['
    for first in range(0, len(values), _ROWS):
        yield (", " if first else "") + json.dumps(to_rows(values[first : first + _ROWS]))[1:-1]
    yield "]"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    schema = Recognition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Emovox result.json"}


def format_timestamp(moment: datetime) -> str:
    """Local time as `YYYY-MM-DD HH:MM:SS`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
