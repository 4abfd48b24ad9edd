"""Labelling: the routes that Label Studio asks of a machine learning backend.

Source: label-studio-ml, the SDK of such backends: GET /health, POST /setup, /predict, /webhook, GET /metrics.
"""

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox.errors import EmovoxError, LabelsError
from emovox.inference.model_pool import ModelChoice
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.server.background import Report
from emovox.server.http.problems import Problem, from_error, from_validation, log, responses
from emovox.server.http.request_body import Limits, receive_json
from emovox.server.jobs.progress import JobProgress
from emovox.server.labelling.config import read_config
from emovox.server.labelling.host import LabelStudio
from emovox.server.labelling.predictions import Judged, judged, prediction, version
from emovox.server.labelling.training import Lesson, fetched, options_of
from emovox.server.service import Service, service_of
from emovox.server.submission import unless_gone

router = APIRouter(prefix="/v1/label-studio", tags=["labelling"])
MAX_JSON = 2**24
MOST_TASKS = 1000
START = "START_TRAINING"


class _Asked(BaseModel):
    """What Label Studio sends; it sends more from version to version."""

    model_config = ConfigDict(extra="ignore")


class Setup(_Asked):
    """A project that is connected.

    The address and the key that Label Studio sends too aren't used: they are the settings'.
    """

    project: str = Field(max_length=100, description="its id, a point, and when it was made")
    label_config: str = Field(alias="schema", description="its label config, XML")


class Task(_Asked):
    """A task of a project."""

    id: int | str | None = None
    data: dict[str, Any] = Field(description="with the path of its recording, and `side`, `purpose`, `consent`")


class Predict(_Asked):
    """Tasks that are to be pre-labelled."""

    tasks: list[Task] = Field(max_length=MOST_TASKS)
    project: str = Field(max_length=100, description="as in /setup")
    label_config: str = Field(description="its label config, XML")


class Project(_Asked):
    """A project."""

    id: int


class Webhook(_Asked):
    """Something happened in a project."""

    action: str = Field(max_length=100, description=f"`{START}` trains heads; all else does nothing")
    project: Project | None = None


Body = TypeVar("Body", bound=_Asked)


def _json(kind: type[_Asked]) -> dict[str, Any]:
    """A route's body, for the OpenAPI document."""
    schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, part in schema.pop("$defs", {}).items():
        schema = _inlined(schema, f"#/components/schemas/{name}", part)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, ref: str, part: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, ref, part) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return part if schema.get("$ref") == ref else {key: _inlined(item, ref, part) for key, item in schema.items()}


@router.get("/health", responses=responses(404))
async def health(request: Request) -> dict[str, str]:
    """Say that the backend is there."""
    _studio(service_of(request))
    return {"status": "UP", "model_class": "Emovox"}


@router.get("/metrics", responses=responses(404))
async def metrics(request: Request) -> dict[str, str]:
    """Nothing: those of the service are at /metrics."""
    _studio(service_of(request))
    return {}


@router.post("/setup", responses=responses(404, 408, 413, 422), openapi_extra=_json(Setup))
async def setup(request: Request) -> dict[str, str]:
    """Check a project's label config, and say which model and heads would pre-label it."""
    service = service_of(request)
    _studio(service)
    asked = await _body(request, Setup)
    items = judged(_id(asked.project), read_config(asked.label_config))
    return {"model_version": version(await asyncio.to_thread(_facts, service), items)}


@router.post("/predict", responses=responses(404, 408, 413, 422, 502, 504, 507), openapi_extra=_json(Predict))
async def predict(request: Request) -> dict[str, Any]:
    """Pre-label tasks: a prediction for each, whose `score` is how certain it is; nothing is stored here.

    A task whose recording can't be used gets an empty list, and none is kept of it there; if none can be used, the
    answer is the first error.
    """
    service = service_of(request)
    _studio(service)
    asked = await _body(request, Predict)
    items = judged(_id(asked.project), read_config(asked.label_config))
    return await unless_gone(request, _predicted(service, asked.tasks, items))


@router.post(
    "/webhook", status_code=201, responses=responses(404, 408, 413, 422, 502, 504), openapi_extra=_json(Webhook)
)
async def webhook(request: Request) -> dict[str, str]:
    """Train a head for each control of a project on its annotations, if it is told to (`START_TRAINING`).

    The answer comes when they are known to be enough; the training goes on behind it, and the log says how it
    ends.
    """
    service = service_of(request)
    studio = _studio(service)
    asked = await _body(request, Webhook)
    if asked.action != START or asked.project is None:
        return {"status": "nothing to do"}
    project = asked.project.id
    controls = read_config(await studio.label_config(project))
    try:
        lesson = Lesson(project, controls, await studio.annotated_tasks(project))
    except LabelsError as error:  # which Label Studio doesn't show
        log.warning("no head for project %d of Label Studio: %s", project, error)
        raise
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()  # which knows who trains

    def task(report: Report) -> dict[str, Any]:
        try:
            return context.run(lesson.train, service, loop, report)
        except Exception as error:
            log.error("no head for project %d of Label Studio: %s", project, from_error(error).detail)
            raise

    service.trainings.start(f"label-studio-{project}", task)
    return {"status": "training"}


async def _predicted(service: Service, tasks: Sequence[Task], items: Sequence[Judged]) -> dict[str, Any]:
    results: list[dict[str, Any] | None] = []
    problems: list[Problem] = []
    facts: ModelFacts | None = None
    for task in tasks:
        try:
            recognitions = await _recognized(service, task, items)
        except Exception as error:
            problem = from_error(error)
            if not isinstance(error, EmovoxError | Problem) or problem.status >= 500:
                raise
            log.warning("task %s of Label Studio: %s", task.id, problem.detail)
            problems.append(problem)
            results.append(None)
            continue
        facts = next(iter(recognitions.values())).model
        results.append(prediction(items, recognitions))
    if facts is None and problems:
        raise problems[0]
    if facts is None:
        facts = await asyncio.to_thread(_facts, service)
    named = version(facts, items)
    answers = [[] if item is None else {**item, "model_version": named} for item in results]
    return {"results": answers, "model_version": named}


async def _recognized(
    service: Service, task: Task, items: Sequence[Judged]
) -> dict[tuple[str, str | None], Recognition]:
    """The recognitions of a task's recordings, by key and head: one for each head, as a recognition has one."""
    recognitions: dict[tuple[str, str | None], Recognition] = {}
    for key in dict.fromkeys(item.control.key for item in items):
        heads = dict.fromkeys(item.head_name for item in items if item.control.key == key)
        options = [options_of(task.data, service.policy, segments=True, head=head) for head in heads]
        async with fetched(service, task.data, key) as file:
            for head, option in zip(heads, options, strict=True):
                progress = JobProgress(size=file.size)
                with service.admission.admit(progress):
                    recognition, _ = await service.recognize(
                        file.token,
                        file.name,
                        option,
                        max_seconds=service.settings.max_duration,
                        progress=progress,
                    )
                recognitions[key, head] = recognition
    return recognitions


async def _body(request: Request, kind: type[Body]) -> Body:
    limits = service_of(request).limits
    body = await receive_json(request, Limits(MAX_JSON, MAX_JSON, 0, limits.stall, limits.rate))
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from None


def _studio(service: Service) -> LabelStudio:
    if service.label_studio is None:
        detail = "this service knows no Label Studio: start it with `emovox serve --label-studio URL`"
        raise Problem(404, "no-label-studio", detail)
    return service.label_studio


def _id(project: str) -> int:
    """The id of a project, which Label Studio sends as `3.1700000000`; 0: none."""
    number = project.partition(".")[0]
    return int(number) if number.isdecimal() else 0


def _facts(service: Service) -> ModelFacts:
    with service.models.borrow(ModelChoice(service.settings.model)) as recognizer:
        return recognizer.model
