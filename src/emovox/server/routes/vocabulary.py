"""What there is to know before the first recording: emotions, the schema of results, models; and their pull."""

from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from emovox import exports
from emovox.emotions import EMOTIONS
from emovox.errors import EmovoxError, HeadError, ModelError, UnknownModelError
from emovox.exports import Part
from emovox.inference.recognition import json_schema
from emovox.models import catalog
from emovox.models.head import Head, names
from emovox.models.hub.published import SnapshotSource
from emovox.models.loading import possible_precisions
from emovox.models.metadata import Metadata, Precision
from emovox.models.runtime.engine import read_metadata
from emovox.server.http import events
from emovox.server.http.problems import Problem, responses
from emovox.server.service import service_of

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class EmotionView(BaseModel):
    """One of the nine."""

    name: str
    chinese: str
    emoji: str
    colour: str = Field(pattern="^#[0-9a-f]{6}$", description="on a light ground")
    dark_colour: str = Field(pattern="^#[0-9a-f]{6}$", description="on a dark ground")


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


class HeadView(BaseModel):
    """A trained head: classes of somebody's own on a model's embeddings."""

    name: str
    classes: list[str]
    model: str = Field(description="name of the model that it belongs to")
    revision: str = Field(description="of that model")
    usable: bool = Field(description="whether that model is installed, with the weights that it was trained on")
    created_at: AwareDatetime
    unweighted: float | None = Field(description="mean recall of the classes, held out; null: not measured")
    recalls: dict[str, float] = Field(description="of each class, held out")


class ExportView(BaseModel):
    """A format of exports."""

    name: str
    title: str
    chinese: str = Field(description="the title in Chinese")
    parts: list[Part] = Field(description="what it shows; a result must have one of them")
    missing: str | None = Field(description="the package that writes it and isn't installed here; null: it can be")


@router.get("/emotions", responses=responses())
async def emotions() -> list[EmotionView]:
    """The nine emotions, in the order of all scores."""
    return [EmotionView(**asdict(emotion)) for emotion in EMOTIONS]


@router.get("/schema", responses=responses())
async def schema() -> dict[str, Any]:
    """The JSON Schema of result.json."""
    return json_schema()


@router.get("/heads", responses=responses())
def heads() -> list[HeadView]:
    """The trained heads that recognitions may ask, by `head`. One that can't be read is left out."""
    found = []
    for name in names():
        with suppress(HeadError):
            head = Head.find(name)
            facts = head.training
            found.append(
                HeadView(
                    name=name,
                    classes=list(head.classes),
                    model=head.model.name,
                    revision=head.model.revision,
                    usable=_usable(head),
                    created_at=facts.created_at,
                    unweighted=facts.unweighted,
                    recalls=facts.recalls,
                )
            )
    return found


@router.get("/exports", responses=responses())
def export_formats() -> list[ExportView]:
    """The formats of exports, and which of them can be written here."""
    return [
        ExportView(
            name=name,
            title=exports.title(name),
            chinese=exports.title(name, "zh"),
            parts=list(exports.parts(name)),
            missing=exports.missing_package(name),
        )
        for name in exports.FORMATS
    ]


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


def _usable(head: Head) -> bool:
    """Whether a head's model is on disk, as it was when the head was trained."""
    try:
        path = catalog.resolve(head.model.name) if catalog.installed(head.model.name) else None
        if path is None:
            return False
        if path.is_dir():  # its weights are gigabytes: what the hub called them must do
            source = SnapshotSource.read(path)
            return source is None or head.model.revision in {source.commit, source.revision}
        head.check(_metadata(path, path.stat().st_mtime_ns))
    except (EmovoxError, OSError):
        return False
    return True


# Reading a model file takes a fifth of a second: it is read again when it has changed.
@lru_cache(maxsize=16)
def _metadata(path: Path, changed: int) -> Metadata:
    del changed
    return read_metadata(path)


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

    async def look() -> tuple[str, Any, bool]:
        kind, data = pull.state
        return kind, data, kind != "progress"

    return events.stream(service, look)
