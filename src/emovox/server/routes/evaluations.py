"""Evaluations: how right what is stored is, by lists of labels."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from emovox.server.evaluations import ID
from emovox.server.http.problems import from_validation, responses
from emovox.server.http.request_body import Limits, receive_json
from emovox.server.metadata import metadata_by_name
from emovox.server.service import Service, service_of

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])
EvaluationId = Annotated[str, Path(pattern=f"^{ID.pattern}$", examples=["evaluation_20261130_120000_0a1b"])]
MAX_LIST = 4 * 2**20  # bytes


class EvaluationRequest(BaseModel):
    """A list of labels."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200, description="what the report is called", examples=["calls"])
    labels: str = Field(
        min_length=1,
        max_length=MAX_LIST,
        description="the list: a recording and its label in each row, in columns such as path and label. A "
        "recording is known by a column sha256, by its name, or by its file's name if no other has that",
        examples=["path,label\na.wav,angry\nb.wav,sad\n"],
    )
    format: Literal["csv", "tsv", "jsonl"] = "csv"
    labels_map: dict[str, str] = Field(
        default_factory=dict, max_length=200, description="what labels mean; an empty word leaves one out"
    )
    classes: Literal["shared", "all"] = Field(
        "shared", description="which classes compete: those of the labels that the model has, or all that it has"
    )
    model: str | None = Field(
        None, max_length=200, description="only what this model recognised; by default that with the most of them"
    )
    group: str | None = Field(
        None, max_length=200, description="column of the groups that are resampled for the intervals"
    )


class EvaluationEntry(BaseModel):
    """An evaluation in a line."""

    id: str
    title: str
    created_at: AwareDatetime
    model: str
    revision: str
    clips: int = Field(description="recordings that were compared")
    unweighted: float = Field(description="mean recall")
    weighted: float = Field(description="share of recordings that are right")


class EvaluationList(BaseModel):
    """All evaluations, latest first."""

    evaluations: list[EvaluationEntry]


class Interval(BaseModel):
    """The 95 % interval of a figure, by bootstrap."""

    low: float
    high: float


class Covered(BaseModel):
    """The surest recordings."""

    share: float = Field(description="of all recordings")
    confidence: float = Field(description="the least among them")
    accuracy: float = Field(description="share of them that is right")


class Missing(BaseModel):
    """Recordings of the list that aren't stored; no figure counts them."""

    count: int
    names: list[str] = Field(description="the first hundred")


class EvaluationView(EvaluationEntry):
    """A report."""

    names: list[str] = Field(description="the classes of the confusion matrix")
    competing: list[str]
    classes: list[str] = Field(description="those of the labels")
    macro_f1: float
    confidence: float = Field(description="mean of the verdicts'")
    calibration_error: float
    recalls: dict[str, float]
    f1s: dict[str, float]
    confusion: list[list[int]] = Field(description="recordings, by label and by verdict, in the order of `names`")
    coverage: list[Covered] = Field(description="from few to all")
    intervals: dict[str, Interval] = Field(description="of unweighted, weighted and macro_f1")
    recall_intervals: dict[str, Interval]
    drawn_by: str | None = Field(description="the column whose groups were resampled; null: recordings were")
    left_out: dict[str, int] = Field(description="recordings that were left out, by label")
    missing: Missing
    trained_corpora: list[str] = Field(
        description="which corpora the recordings seem to be of that the model was trained on"
    )
    doubts: list[str] = Field(description="why the figures may flatter, in sentences")


_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": EvaluationRequest.model_json_schema()}},
    }
}


@router.get("")
def all_(request: Request) -> EvaluationList:
    """The evaluations that are kept, latest first."""
    return EvaluationList(
        evaluations=[EvaluationEntry(**_brief(one)) for one in service_of(request).evaluations.all()]
    )


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses={
        201: {"description": "The report. `Location` is its address.", "model": EvaluationView},
        **responses(408, 413, 422, 503, 507),
    },
    openapi_extra=_BODY,
)
async def make(request: Request) -> Response:
    """Compare a list of labels, of 4 MiB and 50,000 recordings at most, with what is stored of its recordings.

    Nothing is recognised again: of each recording the latest verdict counts, without a baseline, as the archive
    has it, all of one model and revision.
    """
    service = service_of(request)
    limits = service.limits
    body = await receive_json(request, Limits(2 * MAX_LIST, 2 * MAX_LIST, 0, limits.stall, limits.rate))
    try:
        asked = EvaluationRequest.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from None
    await service.wait_for_archive()
    view = await asyncio.to_thread(_make, service, asked)
    return JSONResponse(view.model_dump(mode="json"), 201, {"Location": f"/v1/evaluations/{view.id}"})


@router.get("/{id_}", responses=responses(404, 422))
def get(request: Request, id_: EvaluationId) -> EvaluationView:
    """A report."""
    return _view(service_of(request).evaluations.get(id_))


@router.delete("/{id_}", status_code=204, response_class=Response, responses=responses(404, 422))
def remove(request: Request, id_: EvaluationId) -> Response:
    """Delete a report."""
    service_of(request).evaluations.remove(id_)
    return Response(status_code=204)


def _make(service: Service, asked: EvaluationRequest) -> EvaluationView:
    report = service.evaluations.make(
        asked.title,
        asked.labels,
        asked.format,
        labels_map=asked.labels_map,
        competing=asked.classes,
        model=asked.model,
        group=asked.group,
        corpora=_corpora,
    )
    return _view(report)


def _corpora(model: str) -> tuple[str, ...]:
    metadata = metadata_by_name(model)
    return () if metadata is None else metadata.corpora


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "model": report["model"]["name"], "revision": report["model"]["revision"]}


def _view(report: dict[str, Any]) -> EvaluationView:
    own = report["intervals"]

    def ends(figures: dict[str, Any], names: Iterable[str]) -> dict[str, Interval]:
        return {name: Interval(low=figures[name][0], high=figures[name][1]) for name in names}

    return EvaluationView(
        **{
            **_brief(report),
            "coverage": [
                Covered(share=share, confidence=confidence, accuracy=accuracy)
                for share, confidence, accuracy in report["coverage"]
            ],
            "intervals": ends(own, ("unweighted", "weighted", "macro_f1")),
            "recall_intervals": ends(own["recalls"], own["recalls"]),
            "drawn_by": own["drawn_by"],
        }
    )
