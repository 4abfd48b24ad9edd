"""What there is to know before the first recording: emotions, the schema of results, models; and their pull."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from emovox.emotions import EMOTIONS
from emovox.errors import HeadError, UnknownModelError
from emovox.models import catalog
from emovox.models.head import Head, names
from emovox.recognition.recognition import json_schema
from emovox.server import events
from emovox.server.problems import Problem, responses
from emovox.server.service import service_of

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class EmotionView(BaseModel):
    """One of the nine."""

    name: str
    chinese: str
    emoji: str
    colour: str = Field(pattern="^#[0-9a-f]{6}$")


class LicenceView(BaseModel):
    """Under which terms a model comes."""

    name: str
    address: str


class ModelView(BaseModel):
    """A model of the catalog."""

    name: str
    title: str
    licence: LicenceView
    installed: bool
    loaded: bool
    size: int | None = Field(description="bytes on disk, or of the download; null: not known")
    huggingface: str | None
    modelscope: str | None


class HeadView(BaseModel):
    """A trained head: classes of somebody's own on a model's embeddings."""

    name: str
    classes: list[str]
    model: str = Field(description="name of the model that it belongs to")
    revision: str = Field(description="of that model")
    created_at: AwareDatetime
    unweighted: float | None = Field(description="mean recall of the classes, held out; null: not measured")
    recalls: dict[str, float] = Field(description="of each class, held out")


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
                    created_at=facts.created_at,
                    unweighted=facts.unweighted,
                    recalls=facts.recalls,
                )
            )
    return found


@router.get("/models", responses=responses())
def models(request: Request) -> list[ModelView]:
    """The models: which there are, which are on disk, which are in memory."""
    loaded = service_of(request).models.names()
    return [
        ModelView(
            name=entry.name,
            title=entry.title,
            licence=LicenceView(**asdict(entry.licence)),
            installed=(there := catalog.installed(entry.name)),
            loaded=entry.name in loaded,
            size=catalog.disk_size(entry.name) if there else entry.download_size,
            huggingface=entry.huggingface,
            modelscope=entry.modelscope,
        )
        for entry in catalog.CATALOG
    ]


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
    from emovox.models import hub  # noqa: PLC0415  nothing else may even load what goes online

    pull = service.pulls.join(model, lambda progress: hub.pull(model, progress=progress))

    async def look() -> tuple[str, Any, bool]:
        kind, data = pull.state
        return kind, data, kind != "progress"

    return events.stream(service, look)
