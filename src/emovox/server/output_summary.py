"""The summary of an outputs directory in a list, of its record in the archive or of its result.json."""

from datetime import timezone
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from emovox.archive.record import ArchiveRecord
from emovox.archive.relative import AsRecognized
from emovox.inference.nine import OptionalConfidence, OptionalEmotion, OptionalScores, WithoutBaseline, is_none
from emovox.inference.recognition import ReadoutResult
from emovox.inference.summary import Brief
from emovox.policy import Ruling, Side

_SAME = (
    "name", "emotion", "confidence", "scores", "readouts", "duration", "model", "warnings", "side", "policy",
    "summary", "channel",
)  # fmt: skip
_GIVEN = ("emotion", "confidence", "scores", "scores_without", "policy")  # or not, in result.json


class MomentView(BaseModel):
    """A stretch of a recording in which a rule holds."""

    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    speech: float = Field(description="seconds of its segments, without the pauses")
    peak: float = Field(description="the highest number of a segment in it; the lowest if low ones are looked for")
    mean: float = Field(description="of its segments by their seconds")


class Summary(BaseModel):
    """An outputs directory in a list."""

    id: str = Field(description="name of the directory", examples=["outputs_20240104_223000"])
    name: str | None = Field(description="of the recording")
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None
    scores: OptionalScores = None
    scores_without: WithoutBaseline = None
    readouts: dict[str, ReadoutResult] = Field(
        description="by name: what the model gives besides the nine emotions, and a trained head's verdict"
    )
    created_at: AwareDatetime
    duration: float = Field(description="seconds")
    model: str
    warnings: list[str]
    side: Side | None = Field(None, description="whose voice it is; left out if nobody said", exclude_if=is_none)
    policy: Ruling | None = Field(None, description="what the policy decided; likewise", exclude_if=is_none)
    channel: int | None = Field(
        None, description="the one that was recognised by itself, from 1; left out if all were", exclude_if=is_none
    )
    call: list[str] | None = Field(
        None,
        description="ids of the results of the recording's channels, each recognised by itself by one model, in "
        "order, its own among them; left out if there is no other",
        exclude_if=is_none,
    )
    others: "list[Summary] | None" = Field(
        None, description="of such a call the other channels; in lists with `together` alone", exclude_if=is_none
    )
    summary: Brief | None = Field(
        None, description="what its segments come to, by rule, in a line; left out without any", exclude_if=is_none
    )
    summary_without: Brief | None = Field(
        None, description="as it would be without the baseline, if there is one; in lists", exclude_if=is_none
    )
    moments: dict[str, list[MomentView]] | None = Field(
        None, description="by flag: where its rule holds, if it does; in lists alone", exclude_if=is_none
    )
    tags: list[str] | None = Field(None, description="if it has any; in lists alone", exclude_if=is_none)


def summary_of(id_: str, record: ArchiveRecord) -> Summary:
    """The summary of outputs by their record: as they were recognised, and without the baseline."""
    move = AsRecognized().of(record)
    facts: dict[str, Any] = {}
    if move is not None:
        moved = move.record(record)
        facts = {"scores_without": moved.raw and record.scores, "summary_without": record.summary}
        record = moved
    facts |= {name: getattr(record, name) for name in _SAME}
    created = record.created.astimezone(timezone.utc)
    return Summary(id=id_, created_at=created, tags=record.tags or None, **facts)


def read_summary(id_: str, data: dict[str, Any]) -> Summary:
    """The summary of a result.json.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return Summary(
            id=id_,
            name=data["recording"]["name"],
            duration=data["recording"]["duration"],
            side=data["recording"].get("side"),
            channel=data["recording"].get("channel"),
            model=data["model"]["name"],
            readouts=data.get("readouts") or _trained(data),
            summary=_brief(data.get("summary")),
            **{name: data.get(name) for name in _GIVEN},
            **{name: data[name] for name in ("created_at", "warnings")},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no result of Emovox") from error


def _trained(data: dict[str, Any]) -> dict[str, Any]:
    """The readouts of schema 1, which knew a trained head alone."""
    head = data.get("head")
    return {} if head is None else {head["name"]: {"kind": "linear", **head}}


def _brief(summary: Any) -> Brief | None:
    """That of another version may lack what lists show."""
    try:
        return None if summary is None else Brief.model_validate(summary)
    except ValidationError:
        return None
