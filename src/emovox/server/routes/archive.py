"""The archive: searched, counted, tagged, and compared by similarity."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from emovox.archive.filter import Filter
from emovox.archive.similarity.search import Neighbour
from emovox.archive.stored_record import Found
from emovox.emotions import NAMES
from emovox.inference.recognition import NumberMap
from emovox.server import stored_outputs as library
from emovox.server.http.date_times import DateTime
from emovox.server.http.problems import Problem, responses
from emovox.server.routes.outputs import OutputId
from emovox.server.service import Service, service_of

router = APIRouter(prefix="/v1", tags=["archive"])
Answer = TypeVar("Answer")
PATIENCE = 30.0  # seconds for an answer of the archive, which may have to read much


def _asked(route: Callable[..., Answer]) -> Callable[..., Awaitable[Answer]]:
    """A route that waits for the database."""

    @wraps(route)
    async def answer(request: Request, **given: Any) -> Answer:
        return await service_of(request).query.within(PATIENCE, route, request, **given)

    return answer


Emotion = Annotated[Literal[NAMES] | None, Query(description="only these")]  # type: ignore[valid-type]
Tag = Annotated[str | None, Query(max_length=100, description="only recordings with this tag")]
TagName = Annotated[str, Path(pattern=r"^\w[\w .:-]{0,99}$", examples=["complaint"])]


class Archived(BaseModel):
    """A recognition in the archive."""

    id: str = Field(description="sha256 of its result.json; of another program's, with its sound's")
    sha256: str = Field(description="of the recording")
    name: str | None = Field(description="of the recording")
    output: str | None = Field(description="id of its stored outputs, while they are there")
    created_at: datetime
    duration: float | None = Field(description="seconds")
    speech: float | None = Field(description="seconds of it in what was heard; null: archived before it was kept")
    emotion: Literal[NAMES]  # type: ignore[valid-type]
    confidence: float
    scores: NumberMap  # an older version may have archived what are no scores
    model: str
    revision: str
    granularity: str
    channel: int | None
    warnings: list[str]
    tags: list[str]


class ArchivePage(BaseModel):
    """Some of the archive."""

    recognitions: list[Archived]
    next: str | None = Field(description="`before` of the next page; null: there is none")


class ArchiveStats(BaseModel):
    """How much there is; of recognitions, unless another word is used."""

    recordings: int
    recognitions: int
    seconds: float = Field(description="of all recordings together")
    by_emotion: dict[str, int]
    by_day: dict[str, int]
    by_tag: dict[str, int]
    by_model: dict[str, int]


class SegmentView(BaseModel):
    """A segment that is near."""

    number: int
    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    emotion: Literal[NAMES]  # type: ignore[valid-type]
    confidence: float


class Similar(Archived):
    """One that is near."""

    similarity: float = Field(description="cosine of the embeddings centred and whitened; raw where asked for")
    cosine: float = Field(description="of the embeddings as the model gives them")
    segment: SegmentView | None


class SimilarPage(BaseModel):
    """The nearest, nearest first."""

    similar: list[Similar]


class Tags(BaseModel):
    """The tags of a recording."""

    tags: list[str]


@router.get("/archive", responses=responses(422, 503))
@_asked
def page(
    request: Request,
    emotion: Emotion = None,
    tag: Tag = None,
    name: Annotated[str | None, Query(max_length=400, description="part of the recording's name")] = None,
    model: Annotated[str | None, Query(max_length=200, description="only what this model recognised")] = None,
    since: Annotated[DateTime, Query(description="recognised then or later")] = None,
    until: Annotated[DateTime, Query(description="recognised earlier")] = None,
    before: Annotated[
        str | None, Query(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,9})?:[0-9a-f]{64}$", description="as in `next`")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ArchivePage:
    """What is in the archive, latest first. Times without a zone are UTC."""
    service = service_of(request)
    wanted = Filter(emotion, _text(tag), _text(name), _text(model), None, since, until)
    found, following = service.archiving.archive.find(wanted, limit=limit, before=before)
    return ArchivePage(recognitions=[_archived(service, item) for item in found], next=following)


@router.get("/archive/stats", responses=responses(422, 503))
@_asked
def stats(
    request: Request,
    emotion: Emotion = None,
    tag: Tag = None,
    since: Annotated[DateTime, Query(description="recognised then or later")] = None,
    until: Annotated[DateTime, Query(description="recognised earlier")] = None,
) -> ArchiveStats:
    """How much there is, by emotion, by day (in the service's time zone), by tag, by model."""
    wanted = Filter(emotion=emotion, tag=_text(tag), since=since, until=until)
    return ArchiveStats(**vars(service_of(request).archiving.archive.stats(wanted)))


@router.get("/outputs/{id_}/similar", responses=responses(404, 409, 422, 503))
def similar(
    request: Request,
    id_: OutputId,
    k: Annotated[int, Query(ge=1, le=100, description="how many")] = 10,
    segments: Annotated[bool, Query(description="look among segments instead of recordings")] = False,
    raw: Annotated[bool, Query(description="compare embeddings as the model gives them")] = False,
    emotion: Emotion = None,
    tag: Tag = None,
) -> SimilarPage:
    """The recordings, or segments, that sound most like this one, but for its own; only of the same model."""
    service = service_of(request)
    wanted = Filter(emotion=emotion, tag=_text(tag))
    found = service.archiving.archive.similar(_found(service, id_), k=k, wanted=wanted, segments=segments, raw=raw)
    return SimilarPage(similar=[_similar(service, item) for item in found])


@router.put("/outputs/{id_}/tags/{tag}", responses=responses(404, 422, 503))
@_asked
def tag(request: Request, id_: OutputId, tag: TagName) -> Tags:
    """Give the recording of these outputs a tag."""
    service = service_of(request)
    service.archiving.archive.tag(_found(service, id_).sha256, tag)
    return Tags(tags=list(_found(service, id_).tags))


@router.delete(
    "/outputs/{id_}/tags/{tag}", status_code=204, response_class=Response, responses=responses(404, 422, 503)
)
@_asked
def untag(request: Request, id_: OutputId, tag: TagName) -> Response:
    """Take a tag off the recording of these outputs."""
    service = service_of(request)
    if not service.archiving.archive.untag(_found(service, id_).sha256, tag):
        raise Problem(404, "no-such-tag", "the recording has no tag of this name")
    return Response(status_code=204)


def _found(service: Service, id_: str) -> Found:
    found = service.archiving.archive.by_outputs(service.library.directory(id_))
    if found is None:
        raise Problem(404, "not-archived", "these outputs are not in the archive yet")
    return found


def _facts(service: Service, found: Found) -> dict[str, Any]:
    root, place = service.settings.outputs.absolute(), found.outputs
    mine = place is not None and place.parent == root and library.ID.fullmatch(place.name) and place.is_dir()
    return {
        **found.to_dict(),
        "output": place.name if mine and place is not None else None,
        "created_at": found.created,
    }


def _archived(service: Service, found: Found) -> Archived:
    return Archived(**_facts(service, found))


def _similar(service: Service, item: Neighbour) -> Similar:
    near = {"similarity": item.similarity, "cosine": item.cosine, "segment": item.segment}
    return Similar(**{**_facts(service, item.found), **near})


def _text(value: str | None) -> str | None:
    """Without the null bytes that no database has in a text."""
    return None if value is None else value.replace("\0", "�")
