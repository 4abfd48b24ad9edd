"""The archive: search, statistics, tags and similarity."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from functools import partial, wraps
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from emovox.archive.filter import Filter
from emovox.archive.record import RAW, ArchiveRecord
from emovox.archive.similarity.search import Neighbour
from emovox.archive.view import View
from emovox.baselines.baseline import CORPUS, RECOGNIZED, SPEAKER, names
from emovox.baselines.shift import parse_expectation
from emovox.errors import BaselineError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.model_pool import ModelChoice
from emovox.inference.nine import NumberMap, OptionalConfidence, OptionalEmotion
from emovox.inference.recognition import ReadoutResult
from emovox.inference.recognizer import Recognizer
from emovox.inference.summary import Brief
from emovox.policy import Ruling, Side
from emovox.server.baselines import find_baseline
from emovox.server.http.problems import Problem, invalid, responses
from emovox.server.options import client_model
from emovox.server.routes.outputs import PATIENCE, OutputId
from emovox.server.routes.selection import Comparisons, Emotion, Selection, Tag, compared, text_of
from emovox.server.service import Service, service_of
from emovox.server.stored_outputs import ID

router = APIRouter(prefix="/v1", tags=["archive"])
Answer = TypeVar("Answer")


def _is_none(value: object) -> bool:
    return value is None


def waiting(route: Callable[..., Answer]) -> Callable[..., Awaitable[Answer]]:
    """A route that waits for the database."""

    @wraps(route)
    async def answer(request: Request, **arguments: Any) -> Answer:
        if arguments.get("baseline") is not None:  # a model may have to be loaded, which takes longer
            return await run_in_threadpool(route, request, **arguments)
        return await service_of(request).query.within(PATIENCE, route, request, **arguments)

    return answer


Relative = Annotated[
    str | None,
    Query(
        max_length=128,
        description="show emotions relative to this baseline, one of GET /v1/baselines, or to `corpus`, all that "
        "the other parameters select; `speaker`, those of each speaker, by tags such as speaker:anna; "
        "`recognized`, each to what it was recognised with. By default to none. They must be of one model and "
        "revision",
        examples=["line3"],
    ),
]
Expect = Annotated[
    str | None,
    Query(
        max_length=400,
        description="share of an emotion that the baseline's recordings are taken to have, as for a recognition",
        examples=["neutral=0.8"],
    ),
]
TagName = Annotated[str, Path(pattern=r"^\w[\w .:-]{0,99}$", examples=["complaint"])]


class Archived(BaseModel):
    """A recognition in the archive."""

    id: str = Field(description="sha256 of its result.json; of another program's, together with its sound's")
    sha256: str = Field(description="of the recording")
    name: str | None = Field(description="of the recording")
    output: str | None = Field(description="id of its stored outputs, while they exist")
    created_at: datetime
    duration: float | None = Field(description="seconds")
    speech: float | None = Field(description="seconds of speech in it; null: archived by an earlier version")
    emotion: OptionalEmotion = None
    confidence: Annotated[float | None, Field(exclude_if=_is_none)] = None
    scores: Annotated[NumberMap | None, Field(exclude_if=_is_none)] = None  # earlier versions archived any numbers
    readouts: dict[str, ReadoutResult] = Field(
        default_factory=dict, description="by name: what the model gave besides the nine emotions"
    )
    model: str
    revision: str
    granularity: str
    channel: int | None
    warnings: list[str]
    tags: list[str]
    baseline: BaselineFacts | None = Field(
        None, description="that it was recognised with; the scores here are without it, unless relative to it"
    )
    relative_to: str = Field(
        RAW, description="what the scores are relative to: `raw`, no baseline, or the name of one"
    )
    scores_without: Annotated[
        NumberMap | None, Field(exclude_if=_is_none, description="without the baseline that they are relative to")
    ] = None
    side: Side | None = Field(None, description="whose voice it is; null: nobody said")
    policy: Ruling | None = Field(
        None, description="what the policy decided; null: no side was declared, and everything was allowed"
    )
    purpose: str | None = Field(None, description="what it was recognised for; null: nobody said")
    consent: str | None = Field(None, description="where the consent is kept; null: nobody said")
    summary: Brief | None = Field(
        None,
        description="what its segments come to, by rule, in a line; null: there are none, or it isn't known of "
        "what they are relative to",
    )


class ArchivePage(BaseModel):
    """A page of the archive."""

    recognitions: list[Archived]
    next: str | None = Field(description="`before` of the next page; null: this is the last")


class ValueStatsView(BaseModel):
    """Statistics of a value."""

    count: int
    mean: float
    deviation: float | None = Field(description="standard deviation; null: there is only one")


class ReadoutStatsView(BaseModel):
    """Statistics of a readout: of classes, how often each leads; of values, their means."""

    by_label: dict[str, int]
    values: dict[str, ValueStatsView]
    by_day: dict[str, dict[str, ValueStatsView]]
    by_tag: dict[str, dict[str, ValueStatsView]]
    by_model: dict[str, dict[str, ValueStatsView]]


class ArchiveStats(BaseModel):
    """Statistics of the archive; all numbers count recognitions, unless named otherwise."""

    recordings: int
    recognitions: int
    seconds: float = Field(description="of all recordings")
    by_emotion: dict[str, int] = Field(description="of those whose model gives the nine emotions")
    by_day: dict[str, int]
    by_tag: dict[str, int]
    by_model: dict[str, int]
    readouts: dict[str, ReadoutStatsView] = Field(description="by name: what models gave besides the nine")
    relative_to: str = Field(
        RAW, description="what the emotions are relative to: `raw`, no baseline, or what `baseline` said"
    )


class SegmentView(BaseModel):
    """A similar segment."""

    number: int
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    emotion: OptionalEmotion = None
    confidence: OptionalConfidence = None


class Similar(Archived):
    """A similar recognition."""

    similarity: float = Field(description="cosine of the embeddings, centred and whitened, or raw if requested")
    cosine: float = Field(description="cosine of the embeddings as the model gives them")
    segment: SegmentView | None


class SimilarPage(BaseModel):
    """The most similar, most similar first."""

    similar: list[Similar]


class Tags(BaseModel):
    """The tags of a recording."""

    tags: list[str]


@router.get("/archive", responses=responses(422, 503))
@waiting
def page(
    request: Request,
    where: Selection,
    before: Annotated[
        str | None, Query(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,9})?:[0-9a-f]{64}$", description="as in `next`")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    baseline: Relative = None,
    expect: Expect = None,
) -> ArchivePage:
    """Search the archive, latest first. Times without a zone are UTC.

    With `baseline` emotions are those that recognising with it would give, and `emotion` and comparisons of
    emotions, such as `angry>0.6`, mean those.
    """
    service = service_of(request)
    view = view_of(service, where, baseline, expect)
    records, next_ = view.find(limit=limit, before=before)
    return ArchivePage(recognitions=[archived(service, record) for record in records], next=next_)


@router.get("/archive/stats", responses=responses(422, 503))
@waiting
def stats(
    request: Request,
    where: Selection,
    baseline: Relative = None,
    expect: Expect = None,
) -> ArchiveStats:
    """Statistics by emotion, by day (in the service's time zone), by tag, and by model.

    With `baseline` they can't be filtered by emotions.
    """
    view = view_of(service_of(request), where, baseline, expect)
    return ArchiveStats(**asdict(view.stats()))


@router.get("/outputs/{id_}/similar", responses=responses(404, 409, 422, 503))
def similar(
    request: Request,
    id_: OutputId,
    k: Annotated[int, Query(ge=1, le=100, description="how many")] = 10,
    segments: Annotated[bool, Query(description="search segments instead of recordings")] = False,
    raw: Annotated[bool, Query(description="compare embeddings as the model gives them")] = False,
    emotion: Emotion = None,
    tag: Tag = None,
    comparisons: Comparisons = None,
) -> SimilarPage:
    """The recordings or segments that sound most like this one, without its own, by the same model."""
    service = service_of(request)
    filter_ = compared(Filter(emotion=emotion, tag=text_of(tag)), comparisons)
    neighbours = service.archiving.archive.similar(
        _record(service, id_), k=k, where=filter_, segments=segments, raw=raw
    )
    return SimilarPage(similar=[_similar(service, neighbour) for neighbour in neighbours])


@router.put("/outputs/{id_}/tags/{tag}", responses=responses(404, 422, 503))
@waiting
def tag(request: Request, id_: OutputId, tag: TagName) -> Tags:
    """Tag the recording of these outputs."""
    service = service_of(request)
    service.archiving.archive.tag(_record(service, id_).sha256, tag)
    return Tags(tags=list(_record(service, id_).tags))


@router.delete(
    "/outputs/{id_}/tags/{tag}", status_code=204, response_class=Response, responses=responses(404, 422, 503)
)
@waiting
def untag(request: Request, id_: OutputId, tag: TagName) -> Response:
    """Remove a tag from the recording of these outputs."""
    service = service_of(request)
    if not service.archiving.archive.untag(_record(service, id_).sha256, tag):
        raise Problem(404, "no-such-tag", "the recording doesn't have this tag")
    return Response(status_code=204)


def view_of(service: Service, where: Filter, baseline: str | None, expect: str | None) -> View:
    """What a filter selects, raw or relative.

    Raises:
        Problem: 422, there is no such baseline, or `expect` is without one.
        EmovoxError: as `View.of`.
    """
    archive = service.archiving.archive
    if baseline is None:
        if expect is not None:
            reason = "it says what the recordings of a baseline are like: choose a baseline, too"
            raise invalid([{"field": "expect", "reason": reason}])
        return View.of(archive, where)
    shares = None if expect is None else parse_expectation(expect)
    if baseline in {CORPUS, SPEAKER, RECOGNIZED}:
        return View.of(archive, where, baseline, expect=shares, models=partial(_borrow, service))
    try:
        item = find_baseline(baseline)
    except BaselineError as error:
        choice = ", ".join([CORPUS, SPEAKER, RECOGNIZED, *names()])
        raise invalid([{"field": "baseline", "reason": f"choose one of {choice}"}]) from error
    return View.of(archive, where, item, expect=shares, models=partial(_borrow, service))


def _borrow(service: Service, name: str) -> AbstractContextManager[Recognizer]:
    """The model of that name; of one that isn't, the service's own, which is perhaps a file."""
    return service.models.borrow(ModelChoice(client_model(name) or service.settings.model))


def _record(service: Service, id_: str) -> ArchiveRecord:
    record = service.archiving.archive.by_outputs(service.stored_outputs.directory(id_))
    if record is None:
        raise Problem(404, "not-archived", "these outputs are not in the archive yet")
    return record


def output_of(service: Service, record: ArchiveRecord) -> str | None:
    """The id of a record's outputs, if this service has them."""
    root, path = service.settings.outputs.absolute(), record.outputs
    ours = path is not None and path.parent == root and ID.fullmatch(path.name) and path.is_dir()
    return path.name if ours and path is not None else None


def _facts(service: Service, record: ArchiveRecord) -> dict[str, Any]:
    return {**record.to_dict(), "output": output_of(service, record), "created_at": record.created}


def archived(service: Service, record: ArchiveRecord) -> Archived:
    """A record as clients see it."""
    return Archived(**_facts(service, record))


def _similar(service: Service, neighbour: Neighbour) -> Similar:
    facts = {"similarity": neighbour.similarity, "cosine": neighbour.cosine, "segment": neighbour.segment}
    return Similar(**{**_facts(service, neighbour.record), **facts})
