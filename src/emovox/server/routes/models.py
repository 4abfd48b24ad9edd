"""The models of the catalog, and their pull."""

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from emovox.errors import ModelError, UnknownModelError
from emovox.models import catalog
from emovox.models.loading import possible_precisions
from emovox.models.metadata import Precision
from emovox.server.http import events
from emovox.server.http.problems import Problem, responses
from emovox.server.polls import Event
from emovox.server.service import service_of

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class LicenceView(BaseModel):
    """Under which terms a model comes."""

    name: str
    address: str
    chinese: str = Field(description="the name in Chinese; empty: it has none")


class ModelView(BaseModel):
    """A model of the catalog."""

    name: str
    title: str
    chinese: str = Field(description="the title in Chinese")
    licence: LicenceView
    installed: bool
    loaded: bool
    downloadable: bool = Field(
        description="whether it can be pulled: it isn't here, and the service may go online"
    )
    default: bool = Field(description="whether it is taken where a request names none")
    embeddings_only: bool = Field(description="whether it gives no emotions, and can't be listened to live")
    precisions: list[Precision] = Field(
        description="what it can be computed in on this machine; empty: it isn't installed"
    )
    size: int | None = Field(description="bytes on disk, or of the download; null: not known")
    huggingface: str | None
    modelscope: str | None


@router.get("/models", responses=responses())
def models(request: Request) -> list[ModelView]:
    """The models: which there are, which are on disk, which are in memory."""
    service = service_of(request)
    loaded, default = service.models.names(), _path(service.settings.model)
    return [
        ModelView(
            name=entry.name,
            title=entry.title,
            chinese=entry.chinese,
            licence=LicenceView(**asdict(entry.licence)),
            installed=(there := catalog.installed(entry.name)),
            loaded=entry.name in loaded,
            downloadable=not there and entry.file is None and not service.settings.offline,
            default=there and _path(entry.name) == default,
            embeddings_only=entry.embeddings_only,
            precisions=list(_precisions(entry.name)) if there else [],
            size=catalog.disk_size(entry.name) if there else entry.download_size,
            huggingface=entry.huggingface,
            modelscope=entry.modelscope,
        )
        for entry in catalog.CATALOG
    ]


def _path(model: str) -> Path | None:
    """Where a model lies; None where it doesn't."""
    try:
        return catalog.resolve(model)
    except ModelError:
        return None


def _precisions(name: str) -> tuple[Precision, ...]:
    try:
        path = catalog.resolve(name)
        return _possible(path, path.stat().st_mtime_ns)
    except (ModelError, OSError):  # damaged, or gone in the meantime: whoever asks it is told
        return ()


# Trying precisions takes a while: it is done again when the file has changed.
@lru_cache(maxsize=16)
def _possible(path: Path, changed: int) -> tuple[Precision, ...]:
    del changed
    return tuple(possible_precisions(path))


@router.post(
    "/models/{name}/pull",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, done, failed", "content": events.CONTENT},
        **responses(404, 409, 422, 503),
    },
)
async def pull(request: Request, name: str) -> StreamingResponse:
    """Download a model; the answer is a stream of events. It goes on without listeners; later ones join it."""
    service = service_of(request)
    try:
        model = catalog.find(name)
    except UnknownModelError as error:
        raise Problem(404, "unknown-model", str(error)) from None
    if model.file:
        raise Problem(409, "bundled-model", f"{name} is part of Emovox: nothing to download")
    from emovox.models.hub import pull as hub  # noqa: PLC0415  nothing else may even load what goes online

    pull = service.pulls.join(model, lambda progress: hub.pull(model, progress=progress))

    async def poll() -> Event:
        return (*pull.state, pull.ended)

    return events.stream(service, poll)
