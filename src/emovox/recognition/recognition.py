"""The result: a recognition and its JSON form, which is result.json."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from emovox.audio import quality
from emovox.emotions import NAMES
from emovox.models.metadata import Precision

SCHEMA: Literal[1] = 1
FRAME_DIGITS = (
    6  # decimals of a frame's score in JSON: a curve needs no more, and hours of it should stay readable
)

NO_HEAD = "no_head"
WARNINGS = {**quality.WARNINGS, NO_HEAD: "this model gives embeddings only: the emotion is unknown"}
"""Every warning code a recognition may have, with its meaning."""

Granularity = Literal["utterance", "frame"]

_score = {"type": "number", "minimum": 0, "maximum": 1}
EmotionName = Annotated[str, WithJsonSchema({"type": "string", "enum": list(NAMES)})]
ScoreMap = Annotated[
    dict[str, float],
    WithJsonSchema(
        {
            "type": "object",
            "properties": dict.fromkeys(NAMES, _score),
            "required": list(NAMES),
            "additionalProperties": False,
        }
    ),
]


def _as_array(value: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(value, dtype=np.float32)


def _as_rows(value: NDArray[np.float32]) -> list[list[float]]:
    rounded: list[list[float]] = value.astype(np.float64).round(FRAME_DIGITS).tolist()
    return rounded


FrameScores = Annotated[
    NDArray[np.float32],
    BeforeValidator(_as_array),
    PlainSerializer(_as_rows),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "array", "items": _score, "minItems": len(NAMES), "maxItems": len(NAMES)},
        }
    ),
]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")


class RecordingFacts(_Facts):
    """What was given."""

    name: str | None = Field(description="file name; null for bytes and arrays without a name")
    sha256: str = Field(description="checksum of the file, or of an array's bytes with its type, shape and rate")
    duration: float = Field(description="seconds of sound decoded", ge=0)
    sample_rate: int = Field(description="the recording's own, Hz", gt=0)
    channels: int = Field(description="the recording's own; the model hears their mean", gt=0)
    codec: str | None = Field(description="FFmpeg's name of the codec; null for an array")


class ModelFacts(_Facts):
    """What heard it."""

    name: str
    revision: str
    precision: Precision = Field(description="of the arithmetic")
    checksum: str = Field(description="sha256 of the model file")


class Frames(_Facts):
    """The scores of every frame: the curve over time."""

    hop: float = Field(description="seconds from one frame's centre to the next", gt=0)
    first_centre: float = Field(description="seconds from the start to the first frame's centre", ge=0)
    labels: list[str] = Field(description="the emotion of each column of `scores`")
    scores: FrameScores = Field(description="one row a frame, T x 9, each row summing to 1 up to rounding")

    @property
    def times(self) -> NDArray[np.float64]:
        """Centre of each frame, seconds, (T,)."""
        return self.first_centre + self.hop * np.arange(len(self.scores), dtype=np.float64)


class Recognition(_Facts):
    """What was recognised in one recording. `to_dict` is result.json; the embedding stands beside it."""

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
    warnings: list[str] = Field(description="codes of what may spoil the verdict; empty when all is well")
    frames: Frames | None = Field(None, description="only with granularity `frame`")
    embedding: SkipJsonSchema[NDArray[np.float32] | None] = Field(None, exclude=True, repr=False)
    """float32 (1, D) by utterance or (T, D) by frame, when asked for; in files it is embedding.npy."""

    def top(self, count: int = 9) -> list[tuple[str, float]]:
        """The `count` highest scores with their emotions, highest first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:count]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, exactly what result.json holds."""
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if data["frames"] is None:
            del data["frames"]
        return data

    def to_json(self) -> str:
        """`to_dict` as text; frames a line each would be tall, so they stay compact."""
        data = self.to_dict()
        frames = data.pop("frames", None)
        text = json.dumps(data, ensure_ascii=False, indent=2)
        if frames is None:
            return text + "\n"
        return text.removesuffix("\n}") + ',\n  "frames": ' + json.dumps(frames, ensure_ascii=False) + "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Recognition":
        """Read `to_json` back, without the embedding.

        Raises:
            pydantic.ValidationError: not the JSON of a recognition.
        """
        return cls.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    schema = Recognition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Emovox result.json"}


def format_timestamp(moment: datetime) -> str:
    """Local time as `YYYY-MM-DD HH:MM:SS`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
