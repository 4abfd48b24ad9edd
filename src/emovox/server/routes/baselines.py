"""Baselines: what recordings that are alike have in common, for others to be recognised relative to it."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from python_multipart.multipart import parse_options_header

from emovox.baselines.baseline import Baseline
from emovox.baselines.removal import holders
from emovox.errors import BaselineError
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import LiveArguments, Note
from emovox.notes import NOTE
from emovox.policy import SIDES, Side
from emovox.server import baselines, fitting
from emovox.server.fitting import LeftOut
from emovox.server.http.problems import Problem, from_validation, invalid, responses
from emovox.server.http.request_body import Limits, receive, receive_json
from emovox.server.options import RecognitionOptions
from emovox.server.routes.models import is_usable
from emovox.server.service import Service, receiving, service_of
from emovox.server.stored_outputs import ID
from emovox.server.submission import unless_gone

router = APIRouter(prefix="/v1/baselines", tags=["baselines"])
Name = Annotated[str, Path(pattern=r"^\w[\w .-]{0,127}$", examples=["line3"])]
Model = Annotated[
    str | None, Query(max_length=200, description="`usable`: by this model; by default by the baseline's own")
]
Outputs = Annotated[
    list[Annotated[str, Field(pattern=f"^{ID.pattern}$")]] | None,
    Query(
        max_length=200,
        description="only those that have the recording of one of these stored outputs, or may have",
    ),
]
FILES = 100  # uploads that one is made of: more add nothing, and stored outputs may be any number
MAX_JSON = 2**20


class GroupView(BaseModel):
    """The set that a baseline is a part of."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="of the baseline of the whole set")
    column: str = Field(description="what its recordings were told apart by")
    value: str = Field(description="that all recordings of this baseline have")
    count: int = Field(description="recordings of the whole set")


class BaselineView(BaseModel):
    """A baseline: what recordings of one voice, line or room have in common for a model."""

    name: str
    count: int = Field(description="recordings that it was made of")
    model: str = Field(description="name of the model it belongs to")
    revision: str = Field(description="of that model")
    side: Side | None = Field(
        description="whose voices it is of: what is recognised with it is such a voice where nobody says whose it "
        "is; null: it doesn't say"
    )
    usable: bool = Field(description="whether that model is installed, or the one asked about has its embeddings")
    created_at: AwareDatetime
    group: GroupView | None = Field(description="the set that it is a part of; null: it stands alone")
    checksum: str = Field(description="sha256 of it, as in results")


class FittedView(BaselineView):
    """A baseline that was just made."""

    left_out: list[LeftOut] = Field(description="recordings that aren't in it, though they were to be")


class BaselineRequest(BaseModel):
    """What a baseline is to be made of."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128, description="of the baseline", examples=["line3"])
    outputs: list[Annotated[str, Field(pattern=f"^{ID.pattern}$")]] = Field(
        min_length=1, max_length=10_000, description="ids of stored outputs, whose embeddings are taken"
    )
    model: str | None = Field(
        None, max_length=200, description="whose embeddings; by default the model of most of them"
    )
    side: Side | None = Field(
        None,
        description="whose voices those are that don't say it themselves; the policy of GET /v1/policy may allow "
        "no baseline of them",
    )
    replace: bool = Field(False, description="fit the one that has this name again")


class UploadRequest(BaseModel):
    """The fields of a form with recordings."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128)
    model: str | None = Field(None, max_length=200)
    side: Side | None = None
    purpose: Note = None
    consent: Note = None
    replace: bool = False


_JSON = BaselineRequest.model_json_schema()
_FORM = {
    "type": "object",
    "required": ["name", "file"],
    "additionalProperties": False,
    "properties": {
        **{key: _JSON["properties"][key] for key in ("name", "replace")},
        "model": {
            "type": "string",
            "maxLength": 200,
            "description": "that recognises them; by default the service's own",
        },
        "side": {
            "type": "string",
            "enum": list(SIDES),
            "description": "whose voices they are; the policy of GET /v1/policy may allow no baseline of them",
        },
        "purpose": {"type": "string", "maxLength": NOTE, "description": "what they are taken for"},
        "consent": {"type": "string", "maxLength": NOTE, "description": "where the consent is kept"},
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "maxItems": FILES,
            "description": "recordings; of each its speech counts, once",
        },
    },
}
_EXAMPLE = {"name": "line3", "outputs": ["outputs_20240104_223000", "outputs_20240104_223001"], "replace": False}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _JSON, "example": _EXAMPLE},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


@router.get("", responses=responses(422))
def all_(request: Request, model: Model = None, outputs: Outputs = None) -> list[BaselineView]:
    """The baselines that recognitions may use as `baseline`. Those that can't be read are left out."""
    chosen = None if outputs is None else _holding(service_of(request), outputs)
    return [
        BaselineView(**_facts(name, item, model))
        for name, item in baselines.all_baselines()
        if chosen is None or name in chosen
    ]


@router.get("/{name}", responses=responses(404, 409, 422))
def get(name: Name, model: Model = None) -> BaselineView:
    """A baseline."""
    return BaselineView(**_facts(name, _find(name), model))


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses={
        201: {"description": "The baseline. `Location` is its address.", "model": FittedView},
        **responses(408, 409, 413, 415, 422, 503, 507),
    },
    openapi_extra=_BODY,
)
async def fit(request: Request) -> Response:
    """Make a baseline: of stored outputs by their ids, in JSON; or of recordings in a form, which aren't stored.

    Of many or long recordings, recognise them first, as a batch: then it is made of their outputs in a moment.
    What can't be used is left out and named; if nothing can, nothing is made.
    """
    service = service_of(request)
    kind, _ = parse_options_header(request.headers.get("content-type", ""))
    if kind == b"multipart/form-data":
        item, left_out = await _of_uploads(request, service)
    elif kind == b"application/json":
        item, left_out = await _of_outputs(request, service)
    else:
        raise Problem(415, "unsupported-media-type", "send outputs as application/json, or recordings as a form")
    view = FittedView(**await asyncio.to_thread(_facts, item.name, item, None), left_out=left_out)
    return JSONResponse(view.model_dump(mode="json"), 201, {"Location": f"/v1/baselines/{quote(item.name)}"})


@router.delete("/{name}", status_code=204, response_class=Response, responses=responses(404, 422))
def remove(name: Name) -> Response:
    """Delete a baseline. Results that are relative to it stay as they are."""
    fitting.remove(name)
    return Response(status_code=204)


async def _of_outputs(request: Request, service: Service) -> tuple[Baseline, list[LeftOut]]:
    limits = service.limits
    body = await receive_json(request, Limits(MAX_JSON, MAX_JSON, 0, limits.stall, limits.rate))
    try:
        wish = BaselineRequest.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from None
    model = _model(wish.model)
    await service.wait_for_archive()
    return await asyncio.to_thread(
        fitting.fit_outputs,
        service,
        wish.name,
        wish.outputs,
        model=model,
        replace=wish.replace,
        side=wish.side,
    )


async def _of_uploads(request: Request, service: Service) -> tuple[Baseline, list[LeftOut]]:
    with receiving(service):
        form = await receive(request, service.uploads, replace(service.limits, files=FILES))
    try:
        wish = _fields(form.fields)
        if not form.files:
            raise invalid([{"field": "file", "reason": "the form contains no recording"}])
        fitting.check_free(wish.name, replace=wish.replace)
        declared: LiveArguments = {"side": wish.side, "purpose": wish.purpose, "consent": wish.consent}
        service.policy.demand(wish.side, wish.purpose, wish.consent)
        service.policy.check(wish.side, "a baseline")
        choice = ModelChoice(_model(wish.model) or service.settings.model)
        material = await unless_gone(request, fitting.embed_uploads(service, form.files, choice, declared))
        item = await asyncio.to_thread(
            fitting.fit_uploads, service, wish.name, material, choice, replace=wish.replace
        )
    finally:
        for file in form.files:
            service.uploads.remove(file.token)
    return item, material.left_out


def _holding(service: Service, ids: Iterable[str]) -> set[str]:
    sha256s = {sha256 for id_ in ids if (sha256 := service.stored_outputs.sha256(id_)) is not None}
    return {item.name for item in holders(sha256s)}


def _fields(fields: Mapping[str, str]) -> UploadRequest:
    try:
        return UploadRequest.model_validate(fields)
    except ValidationError as error:
        raise from_validation(error) from None


def _model(name: str | None) -> str | None:
    """A name as recognitions take it.

    Raises:
        Problem: 422, there is no such name.
    """
    try:
        return RecognitionOptions.parse({} if name is None else {"model": name}).model
    except ValidationError as error:
        raise from_validation(error) from None


def _find(name: str) -> Baseline:
    """The baseline of that name, without the path of its file in any message.

    Raises:
        Problem: 404, there is none; 409, its file is damaged.
    """
    try:
        return baselines.find_baseline(name)
    except BaselineError as error:
        if isinstance(error.__cause__, FileNotFoundError) or error.__cause__ is None:
            raise Problem(404, "no-such-baseline", "there is no baseline with this name") from None
        raise Problem(409, "damaged-baseline", "its file can't be read: fit it again, or delete it") from error


def _facts(name: str, item: Baseline, model: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "count": item.count,
        "model": item.model.name,
        "revision": item.model.revision,
        "side": item.side,
        "usable": is_usable(item, _model(model)),
        "created_at": item.created_at,
        "group": item.group,
        "checksum": item.checksum,
    }
