"""The schema of results: their form, and the emotions, heads and export formats they may have."""

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from emovox import exports
from emovox.emotions import EMOTIONS, Texture
from emovox.errors import HeadError
from emovox.exports import Part
from emovox.inference.recognition import json_schema
from emovox.models.head import Head, names
from emovox.server.http.problems import responses
from emovox.server.routes.models import is_usable

router = APIRouter(prefix="/v1", tags=["vocabulary"])


class EmotionView(BaseModel):
    """One of the nine."""

    name: str
    chinese: str
    emoji: str
    colour: str = Field(pattern="^#[0-9a-f]{6}$", description="on a light background")
    dark_colour: str = Field(pattern="^#[0-9a-f]{6}$", description="on a dark background")
    texture: Texture = Field(description="of areas: two have the same colour")


class HeadView(BaseModel):
    """A trained head: a user's own classes or values, on a model's embeddings."""

    name: str
    classes: list[str] = Field(description="empty if it gives values")
    values: list[str] = Field(description="their names; empty if it gives classes")
    range: tuple[float, float] | None = Field(description="of the values; null if it gives classes")
    model: str = Field(description="name of the model it belongs to")
    revision: str = Field(description="of that model")
    usable: bool = Field(
        description="whether that model is installed, with the weights that the head was trained on"
    )
    created_at: AwareDatetime
    unweighted: float | None = Field(
        description="mean recall of the classes, on held-out recordings; null: not measured"
    )
    recalls: dict[str, float] = Field(description="of each class, on held-out recordings")
    intervals: dict[str, tuple[float, float]] = Field(
        description="95 % interval of each recall; empty: not measured, or not known"
    )
    examples: dict[str, int] = Field(description="recordings or corrected segments of each class")
    corrections: bool = Field(description="whether it was trained on corrected segments")
    group: str | None = Field(
        description="what was held out together, such as `recording` or `speaker`; null: each example by itself"
    )
    groups: int | None = Field(description="how many of those there are")
    folds: int = Field(description="parts that were held out in turn; 0: nothing was measured")
    figures: dict[str, dict[str, float | None]] = Field(
        description="of each value, on held-out recordings: `clips`, `ccc`, `pearson`, `rmse`, `mae`"
    )


class ExportView(BaseModel):
    """A format of exports."""

    name: str
    title: str
    chinese: str = Field(description="the title in Chinese")
    parts: list[Part] = Field(description="parts of a result that it shows; the result must have one of them")
    values: list[str] = Field(
        description="names of values that it shows, in any case; the result must have all, if it has anything"
    )
    missing: str | None = Field(description="package that must be installed to write it; null: none is missing")


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
    """The trained heads that recognitions may use as `head`. Those that can't be read are left out."""
    views = []
    for name in names():
        with suppress(HeadError):
            views.append(head_view(name, Head.find(name)))
    return views


def head_view(name: str, head: Head) -> HeadView:
    """A head as clients see it, by the name under which they ask for it."""
    facts = head.training
    return HeadView(
        name=name,
        classes=list(head.classes),
        values=list(head.values),
        range=head.range,
        model=head.model.name,
        revision=head.model.revision,
        usable=is_usable(head),
        created_at=facts.created_at,
        unweighted=facts.unweighted,
        recalls=facts.recalls,
        figures=facts.figures,
        intervals=facts.intervals,
        examples=facts.clips,
        corrections=facts.corrections,
        group=facts.group,
        groups=facts.groups,
        folds=facts.folds,
    )


@router.get("/exports", responses=responses())
def export_formats() -> list[ExportView]:
    """The export formats, and which of them can be written here."""
    return [
        ExportView(
            name=name,
            title=exports.title(name),
            chinese=exports.title(name, "zh"),
            parts=list(exports.parts(name)),
            values=list(exports.values(name)),
            missing=exports.missing_package(name),
        )
        for name, _ in exports.EXPORTERS.usable()
    ]
