"""Evaluations: how right what is stored is, by lists of labels, and by what annotation programs write."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header

from emovox.labels.aliases import parse_map
from emovox.server.evaluations import ID, LabelFile
from emovox.server.http.problems import from_validation, invalid, responses
from emovox.server.http.request_body import Form, Limits, receive, receive_json
from emovox.server.metadata import metadata_by_name
from emovox.server.service import Service, receiving, service_of

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])
EvaluationId = Annotated[str, InPath(pattern=f"^{ID.pattern}$", examples=["evaluation_20261130_120000_0a1b"])]
MAX_LIST = 4 * 2**20  # bytes
FILES, MAX_FILE, MAX_FILES = 1000, 16 * 2**20, 64 * 2**20  # in one form; bytes of each, and of all
_NAME = 200  # characters of a file's name
TextMap = Annotated[dict[str, str], Field(max_length=200)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(min_length=1, max_length=200, description="what the report is called", examples=["calls"])
    label_column: str | None = Field(
        None,
        max_length=200,
        description="the column of labels, or the tier; by default label, emotion, class or emo",
    )
    labels_map: TextMap = Field(default_factory=dict, description="what labels mean; an empty word leaves one out")
    classes: Literal["shared", "all"] = Field(
        "shared", description="which classes compete: those of the labels that the model has, or all that it has"
    )
    model: str | None = Field(
        None, max_length=200, description="only what this model recognised; by default that with the most of them"
    )
    group: str | None = Field(
        None, max_length=200, description="column of the groups that are resampled for the intervals"
    )


class EvaluationRequest(_Request):
    """A list of labels."""

    labels: str = Field(
        min_length=1,
        max_length=MAX_LIST,
        description="the list: a recording and its label in each row, in columns such as path and label. A "
        "recording is known by a column sha256, by its name, or by its file's name if no other has that",
        examples=["path,label\na.wav,angry\nb.wav,sad\n"],
    )
    format: Literal["csv", "tsv", "jsonl"] = "csv"


class EvaluationEntry(BaseModel):
    """An evaluation in a line."""

    id: str
    title: str
    created_at: AwareDatetime
    model: str
    revision: str
    clips: int = Field(description="recordings that were compared, or stretches of them")
    stretches: int = Field(0, description="how many of `clips` are stretches; the others are whole recordings")
    unweighted: float = Field(description="mean recall")
    weighted: float = Field(description="share of `clips` that are right")


class EvaluationList(BaseModel):
    """All evaluations, latest first."""

    evaluations: list[EvaluationEntry]


class Interval(BaseModel):
    """The 95 % interval of a figure, by bootstrap."""

    low: float
    high: float


class Covered(BaseModel):
    """The surest verdicts."""

    share: float = Field(description="of all `clips`")
    confidence: float = Field(description="the least among them")
    accuracy: float = Field(description="share of them that is right")


class Missing(BaseModel):
    """Recordings that aren't stored, and stretches in which nothing stored lies; no figure counts them."""

    count: int
    names: list[str] = Field(
        description="the first hundred recordings; stretches with their seconds, as `call.wav#t=1.5,3.2`"
    )


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
    confusion: list[list[int]] = Field(description="`clips`, by label and by verdict, in the order of `names`")
    coverage: list[Covered] = Field(description="from few to all")
    intervals: dict[str, Interval] = Field(description="of unweighted, weighted and macro_f1")
    recall_intervals: dict[str, Interval]
    drawn_by: str | None = Field(description="the column whose groups were resampled; null: single `clips` were")
    left_out: dict[str, int] = Field(description="how many were left out, by label")
    missing: Missing
    trained_corpora: list[str] = Field(
        description="which corpora the recordings seem to be of that the model was trained on"
    )
    doubts: list[str] = Field(description="why the figures may flatter, in sentences")


_JSON = EvaluationRequest.model_json_schema()
_FORM = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "maxItems": FILES,
            "description": "lists of labels (CSV, TSV, JSON lines), and what annotation programs write (TextGrid, "
            "EAF, Audacity's labels), each called as its recording: `call.TextGrid` is about `call.wav`",
        },
        **{name: _JSON["properties"][name] for name in ("title", "label_column", "classes", "model", "group")},
        "labels_map": {
            "type": "string",
            "description": "what labels mean, as `pissed=angry,laughter=`; an empty word leaves one out",
        },
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _JSON}, "multipart/form-data": {"schema": _FORM}},
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
    """Compare labels, 50,000 at most, with what is stored of their recordings.

    A list comes as JSON, of 4 MiB at most; files come as a form, each of 16 MiB and all of 64 MiB at most. Those
    of annotation programs are about stretches of recordings, whose scores are made of the stored frames in them,
    or of the segments that they share time with. Nothing is recognised again: of each recording the latest verdict
    counts, without a baseline, as the archive has it, all of one model and revision.
    """
    service = service_of(request)
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        with receiving(service):
            form = await receive(
                request,
                service.uploads,
                replace(service.limits, size=MAX_FILE, total=MAX_FILES, files=FILES),
            )
        try:
            asked = _of_form(form)
            await service.wait_for_archive()
            view = await asyncio.to_thread(_make_of_form, service, form, asked)
        finally:
            for file in form.files:
                service.uploads.remove(file.token)
    else:
        limits = service.limits
        body = await receive_json(request, Limits(2 * MAX_LIST, 2 * MAX_LIST, 0, limits.stall, limits.rate))
        try:
            listed = EvaluationRequest.model_validate_json(body)
        except ValidationError as error:
            raise from_validation(error) from None
        await service.wait_for_archive()
        view = await asyncio.to_thread(_make_of_list, service, listed)
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


def _of_form(form: Form) -> _Request:
    """What a form asks for; the title is by default the name of its first file.

    Raises:
        Problem: 422, a field is wrong, or there is no file.
    """
    if not form.files:
        raise invalid([{"field": "file", "reason": "the form contains no file of labels"}])
    fields: dict[str, Any] = {"title": _base(form.files[0].name), **form.fields}
    if isinstance(text := fields.get("labels_map"), str):
        fields["labels_map"] = parse_map(text)
    try:
        return _Request.model_validate(fields)
    except ValidationError as error:
        raise from_validation(error) from None


def _make_of_form(service: Service, form: Form, options: _Request) -> EvaluationView:
    with service.evaluations.scratch() as scratch:
        sent = []
        for number, file in enumerate(form.files):  # two may have one name
            path = scratch / str(number) / (name := _base(file.name))
            path.parent.mkdir()
            path.hardlink_to(service.uploads.find(file.token))
            sent.append(LabelFile(name, path))
        return _make(service, sent, options)


def _make_of_list(service: Service, body: EvaluationRequest) -> EvaluationView:
    with service.evaluations.scratch() as scratch:
        path = scratch / f"labels.{body.format}"
        path.write_text(body.labels, encoding="utf-8")
        return _make(service, [LabelFile(body.title, path)], body)


def _make(service: Service, sent: Iterable[LabelFile], options: _Request) -> EvaluationView:
    report = service.evaluations.make(
        options.title,
        [*sent],
        label_column=options.label_column,
        labels_map=options.labels_map,
        competing=options.classes,
        model=options.model,
        group=options.group,
        metadata=metadata_by_name,
    )
    return _view(report)


def _base(name: str | None) -> str:
    """The name of a file that was sent, without directories.

    Raises:
        Problem: 422, it has none, or it is too long.
    """
    base = Path((name or "").replace("\\", "/")).name
    if not base or not base.isprintable() or len(base) > _NAME:
        reason = f"give each file a name of at most {_NAME} characters, as its recording is known by it"
        raise invalid([{"field": "file", "reason": reason}])
    return base


def _brief(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "model": report["model"]["name"], "revision": report["model"]["revision"]}


def _view(report: dict[str, Any]) -> EvaluationView:
    intervals = report["intervals"]

    def ends(figures: dict[str, Any], names: Iterable[str]) -> dict[str, Interval]:
        return {name: Interval(low=figures[name][0], high=figures[name][1]) for name in names}

    return EvaluationView(
        **{
            **_brief(report),
            "coverage": [
                Covered(share=share, confidence=confidence, accuracy=accuracy)
                for share, confidence, accuracy in report["coverage"]
            ],
            "intervals": ends(intervals, ("unweighted", "weighted", "macro_f1")),
            "recall_intervals": ends(intervals["recalls"], intervals["recalls"]),
            "drawn_by": intervals["drawn_by"],
        }
    )
