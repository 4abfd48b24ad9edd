"""Corrections: what people say of segments, which to look at next, and heads that are trained on them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox.archive.corrections import LONGEST, Correction, Uncertain, check_label, labels_of
from emovox.archive.record import ArchiveRecord
from emovox.errors import ArchiveError
from emovox.inference.nine import OptionalConfidence
from emovox.inference.recognition import Segment
from emovox.server.http.problems import Problem, from_validation, invalid, responses
from emovox.server.http.request_body import Limits, receive_json
from emovox.server.routes.outputs import PATIENCE, EmotionName, OutputId
from emovox.server.service import Service, service_of
from emovox.server.stored_outputs import ID

router = APIRouter(prefix="/v1", tags=["corrections"])
Number = Annotated[int, Path(ge=0, le=10**7, description="of the segment, from 0, as in result.json")]
MAX_JSON = 4096
Answer = TypeVar("Answer")


class CorrectionRequest(BaseModel):
    """What a segment is."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(
        min_length=1,
        max_length=LONGEST,
        description="one of the nine emotions, English or Chinese, or any class of one's own",
        examples=["angry"],
    )


class CorrectionView(BaseModel):
    """What somebody said of a segment."""

    id: int = Field(description="grows with each")
    sha256: str = Field(description="of the recording")
    name: str | None = Field(description="of the recording")
    channel: int | None = Field(description="that was recognised alone, from 1; null: all together")
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    label: str = Field(description="what it is")
    said: str | None = Field(
        description="what the model had said: its emotion, or the class of its own that led; null: nothing"
    )
    confidence: float | None = Field(description="with which")
    model: str
    revision: str
    author: str | None = Field(description="name of the API key of who said it; null: no key was needed")
    created_at: datetime

    @classmethod
    def of(cls, item: Correction) -> "CorrectionView":
        """As clients see it."""
        return cls(**vars(item), created_at=item.created)


class CorrectionPage(BaseModel):
    """A page of corrections."""

    corrections: list[CorrectionView]
    counts: dict[str, int] = Field(description="how many there are of each label in all, the most first")
    next: int | None = Field(description="`before` of the next page; null: this is the last")


class SegmentCorrection(CorrectionView):
    """What somebody said of a segment of these outputs."""

    number: int | None = Field(
        description="of the segment that it holds of, from 0; null: this result has none that is much the same"
    )


class SegmentCorrections(BaseModel):
    """The corrections of a recording, and of the channel that was recognised."""

    corrections: list[SegmentCorrection]


class UncertainView(BaseModel):
    """A segment that the model is unsure of, and that nobody has corrected."""

    output: str = Field(description="id of its stored outputs")
    name: str | None = Field(description="of the recording")
    channel: int | None
    number: int = Field(description="of the segment in them, from 0")
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    emotion: EmotionName
    confidence: OptionalConfidence = None
    model: str
    revision: str


class UncertainPage(BaseModel):
    """A page of segments, the least certain first."""

    segments: list[UncertainView]
    next: str | None = Field(description="`after` of the next page; null: this is the last")


@router.get("/corrections", responses=responses(422, 503))
async def page(
    request: Request,
    label: Annotated[str | None, Query(max_length=LONGEST, description="only these")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="as in `next`")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> CorrectionPage:
    """What people said of segments of all recordings, latest first."""
    corrections = service_of(request).archiving.archive.corrections

    def read() -> CorrectionPage:
        items, next_ = corrections.page(label=label, before=before, limit=limit)
        return CorrectionPage(
            corrections=[CorrectionView.of(item) for item in items], counts=corrections.counts(), next=next_
        )

    return await _query(request, read)


@router.get("/corrections/next", responses=responses(422, 503))
async def least_certain(
    request: Request,
    after: Annotated[
        str | None,
        Query(pattern=r"^[0-9][0-9.e-]{0,30}:[0-9a-f]{64}:[0-9]{1,8}$", description="as in `next`"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UncertainPage:
    """The segments to look at next: those of the lowest confidence that nobody has corrected, of all recordings.

    Of a recording that was recognised several times the latest counts. Those of models without the nine emotions
    aren't among them.
    """
    service = service_of(request)

    def read() -> UncertainPage:
        items, next_ = service.archiving.archive.corrections.least_certain(
            limit=limit, after=after, root=service.settings.outputs.absolute()
        )
        views = [view for item in items if (view := _uncertain(item)) is not None]
        return UncertainPage(segments=views, next=next_)

    return await _query(request, read)


@router.get("/outputs/{id_}/corrections", responses=responses(404, 422, 503))
async def of_outputs(request: Request, id_: OutputId) -> SegmentCorrections:
    """What people said of segments of this recording, in the order of their time."""
    service = service_of(request)

    def read() -> SegmentCorrections:
        record = _record(service, id_)
        items = service.archiving.archive.corrections.of(record)
        labels = labels_of(service.stored_outputs.recognition(id_, "segments").segments or [], items)
        numbers = {item.id: number for number, item in enumerate(labels) if item is not None}
        return SegmentCorrections(
            corrections=[
                SegmentCorrection(**dict(CorrectionView.of(item)), number=numbers.get(item.id)) for item in items
            ]
        )

    return await _query(request, read)


@router.put(
    "/outputs/{id_}/segments/{number}/label",
    responses=responses(404, 408, 413, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": CorrectionRequest.model_json_schema(),
                    "example": {"label": "angry"},
                }
            },
        }
    },
)
async def put(request: Request, id_: OutputId, number: Number) -> CorrectionView:
    """Say what a segment is, instead of what was said of it before. It holds of the recording and the time.

    So it is there when the recording is recognised again, and goes with it. The model's own label, given here,
    confirms it.
    """
    service, limits = service_of(request), service_of(request).limits
    body = await receive_json(request, Limits(MAX_JSON, MAX_JSON, 0, limits.stall, limits.rate))
    try:
        wish = CorrectionRequest.model_validate_json(body)
        label = check_label(wish.label)
    except ValidationError as error:
        raise from_validation(error) from None
    except ArchiveError as error:
        raise invalid([{"field": "label", "reason": str(error)}]) from None
    key = getattr(request.state, "key", None)
    author = None if key is None else service.keys.name(key)

    def write() -> CorrectionView:
        record, segment = _segment(service, id_, number)
        corrections = service.archiving.archive.corrections
        return CorrectionView.of(corrections.put(record, segment, label, author=author))

    return await _query(request, write)


@router.delete(
    "/outputs/{id_}/segments/{number}/label",
    status_code=204,
    response_class=Response,
    responses=responses(404, 422, 503),
)
async def remove(request: Request, id_: OutputId, number: Number) -> Response:
    """Take back what was said of a segment."""
    service = service_of(request)

    def delete() -> Response:
        record, segment = _segment(service, id_, number)
        if not service.archiving.archive.corrections.remove(record, segment):
            raise Problem(404, "no-such-correction", "nobody has said what this segment is")
        return Response(status_code=204)

    return await _query(request, delete)


async def _query(request: Request, call: Callable[[], Answer]) -> Answer:
    return await service_of(request).query.within(PATIENCE, call)


def _record(service: Service, id_: str) -> ArchiveRecord:
    record = service.archiving.archive.by_outputs(service.stored_outputs.directory(id_))
    if record is None:
        raise Problem(404, "not-archived", "these outputs are not in the archive yet")
    return record


def _segment(service: Service, id_: str, number: int) -> tuple[ArchiveRecord, Segment]:
    record = _record(service, id_)
    segments = service.stored_outputs.recognition(id_, "segments").segments or []
    if number >= len(segments):
        raise Problem(404, "no-such-segment", f"these outputs have {len(segments)} segments")
    return record, segments[number]


def _uncertain(item: Uncertain) -> UncertainView | None:
    """As clients see it; None: its outputs have just been deleted by hand."""
    record = item.record
    path = record.outputs
    if path is None or not ID.fullmatch(path.name) or not path.is_dir():
        return None
    return UncertainView(
        output=path.name,
        name=record.name,
        channel=record.channel,
        number=item.number,
        start=item.start,
        end=item.end,
        emotion=item.emotion,
        confidence=item.confidence,
        model=record.model,
        revision=record.revision,
    )
