"""Erasures: everything of a person or of recordings goes, and the answer says what went and what couldn't."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from emovox import use_log
from emovox.archive.archive import Archive
from emovox.archive.erasure import Erasure, erase
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.server.http.problems import Problem, responses
from emovox.server.routes.archive import waiting
from emovox.server.routes.outputs import BaselineWithout
from emovox.server.routes.selection import text_of
from emovox.server.service import Service, service_of
from emovox.server.stored_outputs import ID

router = APIRouter(prefix="/v1/archive", tags=["archive"])
MOST = 1000  # outputs


class ErasureRequest(BaseModel):
    """What is to be erased: all recordings with a tag, or those of some outputs."""

    model_config = ConfigDict(extra="forbid")

    tag: str | None = Field(None, min_length=1, max_length=100, description="as `person:anna`")
    outputs: list[Annotated[str, Field(pattern=f"^{ID.pattern}$")]] = Field(
        default_factory=list, max_length=MOST, description="ids of outputs: all goes that is of their recordings"
    )

    @model_validator(mode="after")
    def _one(self) -> "ErasureRequest":
        if (self.tag is None) == (not self.outputs):
            raise ValueError("give a tag, or outputs")
        return self


class TrainedHeadView(BaseModel):
    """A head that was trained on a recording; nothing can be taken out of it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    certain: bool = Field(description="false: it doesn't know what it was trained on")
    command: str = Field(description="that trains it again, once its list is without the recording")


class ErasureView(BaseModel):
    """What went, and what couldn't."""

    recordings: list[str] = Field(description="checksums of those of which nothing is left")
    recognitions: int
    embeddings: int
    corrections: int
    outputs: list[str] = Field(description="ids of those that were deleted; of others the names of directories")
    baselines: list[BaselineWithout]
    heads: list[TrainedHeadView]
    left: list[str] = Field(description="outputs that couldn't be deleted, and why")
    complete: bool = Field(description="whether nothing is left, so far as is known")


@router.post("/erasures", responses=responses(404, 422, 503, 507))
@waiting
def add(request: Request, asked: ErasureRequest) -> ErasureView:
    """Erase all recordings with a tag, or of some outputs, with everything that is of them.

    Recognitions, embeddings, tags, corrections, outputs and finished jobs go, and baselines are fitted again
    without them. Heads can't be untrained: those that were trained on them are named.
    """
    service = service_of(request)
    archive = service.archiving.archive
    sha256s = {record.sha256 for record in _records(service, archive, asked)}
    records = [record for sha256 in sorted(sha256s) for record in archive.lookup(sha256)]
    use_log.log("deleted", recordings=sorted(sha256s))  # the request's own entry doesn't say which
    return _view(erase(archive, records, remove=service.remove_outputs))


def _records(service: Service, archive: Archive, body: ErasureRequest) -> list[ArchiveRecord]:
    if body.tag is not None:
        return list(archive.all(Filter(tag=text_of(body.tag))))
    records = [archive.by_outputs(service.stored_outputs.directory(id_)) for id_ in dict.fromkeys(body.outputs)]
    if None in records:
        raise Problem(404, "not-archived", "some of these outputs are not in the archive yet")
    return [record for record in records if record is not None]


def _view(erasure: Erasure) -> ErasureView:
    return ErasureView(
        recordings=erasure.recordings,
        recognitions=erasure.recognitions,
        embeddings=erasure.embeddings,
        corrections=erasure.corrections,
        outputs=[path.name for path in erasure.outputs],
        baselines=[BaselineWithout.model_validate(item, from_attributes=True) for item in erasure.baselines],
        heads=[TrainedHeadView.model_validate(item) for item in erasure.heads],
        left=[f"{Path(item.what).name}: {item.reason}" for item in erasure.left],
        complete=erasure.complete,
    )
