"""The models, and their pull."""

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from emovox.baselines.baseline import Baseline
from emovox.errors import EmovoxError, ModelError, UnknownModelError
from emovox.models import catalog
from emovox.models.entry import Licence
from emovox.models.head import Head
from emovox.models.hub.published import SnapshotSource
from emovox.models.loading import possible_precisions
from emovox.models.metadata import Precision
from emovox.models.readout import Activation, Kind
from emovox.server.http import events
from emovox.server.http.problems import Problem, responses
from emovox.server.metadata import metadata_by_name, metadata_of
from emovox.server.polls import Event
from emovox.server.service import service_of

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class LicenceView(BaseModel):
    """The licence of a model."""

    name: str
    address: str = Field(description="where it can be read; empty: not known")
    chinese: str = Field(description="name in Chinese; empty: it has none")
    terms: str = Field(description="who may use the model for what, in words; the licence is what holds")
    chinese_terms: str = Field(description="the same in Chinese")

    @classmethod
    def of(cls, licence: Licence) -> "LicenceView":
        """As the catalog has it."""
        return cls(**asdict(licence), terms=licence.terms.english, chinese_terms=licence.terms.chinese)


class ReadoutView(BaseModel):
    """What a model gives besides embeddings: classes with scores, or values."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: Kind = Field(description="how it is computed: `linear`, `pooled` or `window`")
    activation: Activation = Field(
        description="softmax: classes of which one is true; sigmoid: classes of which several can be; none: values"
    )
    labels: list[str] = Field(description="of its classes or values, as the model spells them, in its order")
    emotions: dict[str, str] = Field(
        description="which of the nine a label is; the nine are given if each label of a softmax is one of them"
    )
    range: tuple[float, float] | None = Field(
        description="of values: what the model was trained on; null: classes, or it isn't known"
    )


class ModelView(BaseModel):
    """A model of the catalog, one that was added from a file, or one that was pulled by its name on a hub."""

    name: str
    title: str
    chinese: str = Field(description="title in Chinese")
    licence: LicenceView
    installed: bool
    bundled: bool = Field(description="whether it is part of Emovox")
    loaded: bool
    downloadable: bool = Field(
        description="whether it can be pulled: it isn't installed, and the service may go online"
    )
    default: bool = Field(description="whether it is used for requests that name none")
    readouts: list[ReadoutView] | None = Field(
        description="what it gives besides embeddings; null: not known before it is installed and was used once"
    )
    embeddings_only: bool = Field(description="whether it gives nothing else, and so can't be used live")
    precisions: list[Precision] = Field(
        description="precisions that it can run in on this machine; empty: it isn't installed"
    )
    size: int | None = Field(description="bytes on disk, or of the download; null: unknown")
    huggingface: str | None
    modelscope: str | None


@router.get("/models", responses=responses())
def models(request: Request) -> list[ModelView]:
    """All models, with those that are installed and those in memory."""
    service = service_of(request)
    loaded, default = service.models.names(), _path(service.settings.model)
    return [
        ModelView(
            name=entry.name,
            title=entry.title,
            chinese=entry.chinese,
            licence=LicenceView.of(entry.licence),
            installed=(installed := catalog.installed(entry.name)),
            bundled=entry.bundled,
            loaded=entry.name in loaded,
            downloadable=not installed and entry.file is None and not service.settings.offline,
            default=installed and _path(entry.name) == default,
            readouts=(readouts := _readouts(entry.name) if installed else None),
            embeddings_only=entry.embeddings_only if readouts is None else not readouts,
            precisions=list(_precisions(entry.name)) if installed else [],
            size=catalog.known_size(entry),
            huggingface=entry.huggingface,
            modelscope=entry.modelscope,
        )
        for entry in catalog.known()
    ]


def _path(model: str) -> Path | None:
    """The path of a model; None if it isn't installed."""
    try:
        return catalog.resolve(model)
    except ModelError:
        return None


def _precisions(name: str) -> tuple[Precision, ...]:
    try:
        path = catalog.resolve(name)
        return _possible(path, path.stat().st_mtime_ns)
    except (ModelError, OSError):  # damaged, or deleted in the meantime: whoever uses it is told
        return ()


def _readouts(name: str) -> list[ReadoutView] | None:
    metadata = metadata_by_name(name)
    if metadata is None:
        return None
    return [ReadoutView.model_validate(readout) for readout in metadata.readouts]


# Reading a model file takes a fifth of a second: it is read again when it has changed.
@lru_cache(maxsize=16)
def _possible(path: Path, changed: int) -> tuple[Precision, ...]:
    del changed
    return tuple(possible_precisions(path))


def is_usable(fitted: Head | Baseline, model: str | None = None) -> bool:
    """Whether a model is installed, with the embeddings that a head or a baseline was made with.

    Args:
        fitted: the head or baseline.
        model: a name of the catalog; by default the one that it says itself.
    """
    try:
        name = fitted.model.name
        path = catalog.resolve(name if model is None else model) if model or catalog.installed(name) else None
        if path is None:
            return False
        if path.is_dir():  # its weights are gigabytes: the hub's revision must do
            source = SnapshotSource.read(path)
            named = source is None or fitted.model.revision in {source.commit, source.revision}
            return named and (model is None or catalog.resolve(name) == path)
        fitted.check(metadata_of(path))
    except (EmovoxError, OSError):
        return False
    return True


@router.post(
    "/models/{name:path}/pull",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, done, failed", "content": events.CONTENT},
        **responses(404, 409, 422, 503),
    },
)
async def pull(request: Request, name: str) -> StreamingResponse:
    """Download a model; the answer is a stream of events. It goes on if clients leave, and others may join it.

    The name is one of the catalog, or hf:OWNER/NAME of a model on Hugging Face of a family that is computed.
    """
    service = service_of(request)
    try:
        model = catalog.find(name)
    except UnknownModelError as error:
        raise Problem(404, "unknown-model", str(error)) from None
    if model.file:
        raise Problem(409, "bundled-model", f"{name} is here already: there is nothing to download")
    from emovox.models.hub import pull as hub  # noqa: PLC0415  nothing else may even import what goes online

    pull = service.pulls.join(model, lambda progress: hub.pull(model, progress=progress))

    async def poll() -> Event:
        return (*pull.state, pull.ended)

    return events.stream(service, poll)
