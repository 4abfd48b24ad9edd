"""The map of the archive: recordings that sound alike lie together."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from emovox.archive.map.map import verdict
from emovox.errors import ArchiveError
from emovox.inference.nine import OptionalConfidence
from emovox.server.http.problems import responses
from emovox.server.routes.archive import output_of
from emovox.server.routes.selection import Selection
from emovox.server.service import service_of

router = APIRouter(prefix="/v1/archive", tags=["archive"])
MOST = 5000  # points


class MapPoint(BaseModel):
    """A recording on the map."""

    output: str | None = Field(description="id of its stored outputs, while they exist")
    name: str | None
    created_at: datetime
    x: float = Field(description="from -1 to 1")
    y: float = Field(description="from -1 to 1, upwards")
    emotion: str | None = Field(description="one of the nine, without a baseline; null: its model gives none")
    label: str | None = Field(description="that leads in another readout, where there is no emotion")
    confidence: OptionalConfidence = None


class MapView(BaseModel):
    """Recordings as points; distances mean likeness, directions nothing."""

    points: list[MapPoint]
    method: Literal["umap", "pca"]
    model: str = Field(description="whose embeddings they are; of several models, of that with the most")
    revision: str
    recognitions: int = Field(
        description="how many the parameters select; those that aren't points are of another model or revision, "
        "have no embedding, or are earlier than the latest `limit`"
    )


@router.get("/map", responses=responses(409, 422, 503))
def map_(
    request: Request,
    where: Selection,
    limit: Annotated[int, Query(ge=2, le=MOST, description="how many, latest first")] = 2000,
    method: Annotated[
        Literal["auto", "umap", "pca"], Query(description="of the projection; auto: UMAP if it is installed")
    ] = "auto",
) -> MapView:
    """The archive as a map, on which recordings that sound alike lie together.

    One map is laid out at a time: by PCA within seconds, by UMAP within a minute. The last few are kept.
    """
    service = service_of(request)
    archive = service.archiving.archive
    count = archive.stats(where).recognitions
    try:
        records, vectors = archive.embedded(where, limit=limit)
    except ArchiveError:  # there are none
        return MapView(points=[], method="pca", model="", revision="", recognitions=count)
    positions, projection = service.maps.positions(records, vectors, method)
    points = []
    for record, (x, y) in zip(records, positions.tolist(), strict=True):
        label, confidence = verdict(record)
        points.append(
            MapPoint(
                output=output_of(service, record),
                name=record.name,
                created_at=record.created,
                x=round(x, 4),
                y=round(y, 4),
                emotion=record.emotion,
                label=label if record.emotion is None else None,
                confidence=confidence,
            )
        )
    first = records[0]
    return MapView(
        points=points, method=projection, model=first.model, revision=first.revision, recognitions=count
    )
