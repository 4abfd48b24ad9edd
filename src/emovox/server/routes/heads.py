"""Heads: training them on what people said of segments."""

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox.archive.correction_head import check_enough, counts_of, train_on_corrections
from emovox.archive.corrections import LONGEST
from emovox.errors import HeadError
from emovox.inference.model_pool import ModelChoice
from emovox.models.head import head_path
from emovox.server.background import Report
from emovox.server.http import events
from emovox.server.http.problems import Problem, from_refusal, from_validation, invalid, log, responses
from emovox.server.http.request_body import Limits, receive_json
from emovox.server.options import RecognitionOptions, client_model
from emovox.server.polls import Event
from emovox.server.routes.outputs import PATIENCE
from emovox.server.routes.schema import HeadView, head_view
from emovox.server.service import Service, service_of

router = APIRouter(prefix="/v1/heads", tags=["corrections"])
MAX_JSON = 2**16
SHOWN = 20  # segments that are named


class HeadRequest(BaseModel):
    """A head that is to be trained on corrections."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, description="of the head", examples=["calls"])
    without: list[str] = Field(
        default_factory=list, max_length=200, description="labels that are left out, such as those of too few"
    )
    model: str | None = Field(
        None,
        max_length=200,
        description="on whose embeddings it is trained; by default the model of most of what was corrected",
    )
    replace: bool = Field(False, description="train the one that has this name again")


class LeftOutSegment(BaseModel):
    """A corrected segment that could not be used."""

    segment: str = Field(description="recording and time")
    reason: str


class TrainedView(HeadView):
    """A head that was just trained."""

    left_out: list[LeftOutSegment] = Field(description="the first segments that could not be used")
    left_out_count: int = Field(description="how many could not be used")


@router.post(
    "",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, done with the head, failed", "content": events.CONTENT},
        **responses(404, 408, 409, 413, 422, 503),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": HeadRequest.model_json_schema(), "example": {"name": "calls"}}
            },
        }
    },
)
async def train(request: Request) -> StreamingResponse:
    """Train a head on the corrections of all recordings; the answer is a stream of events.

    Whole recordings are held out to measure it, or whole speakers, where tags such as `speaker:anna` tell them.
    It goes on if clients leave; who asks for one of the same name meanwhile follows the one that is made.
    """
    service, limits = service_of(request), service_of(request).limits
    body = await receive_json(request, Limits(MAX_JSON, MAX_JSON, 0, limits.stall, limits.rate))
    try:
        wish = HeadRequest.model_validate_json(body)
        model = RecognitionOptions.parse({} if wish.model is None else {"model": wish.model}).model
    except ValidationError as error:
        raise from_validation(error) from None
    try:
        path = head_path(wish.name)
    except HeadError as error:
        raise invalid([{"field": "name", "reason": str(error)}]) from None
    if path.exists() and not wish.replace:
        raise Problem(409, "head-exists", f"there is a head {wish.name} already: replace=true trains it again")
    chosen = await service.query.within(PATIENCE, _check, service, wish)

    def task(report: Report) -> dict[str, Any]:
        return _train(service, wish, model or chosen, report)

    work = service.trainings.start(wish.name, task)

    async def poll() -> Event:
        return (*work.state, work.ended)

    return events.stream(service, poll)


def _check(service: Service, asked: HeadRequest) -> str:
    """The model of most of the corrections, if clients may say it, or the service's own.

    Raises:
        LabelsError: there are too few.
    """
    if any(len(label) > LONGEST for label in asked.without):
        raise invalid([{"field": "without", "reason": f"a label has at most {LONGEST} characters"}])
    items = [item for item in service.archiving.archive.corrections.all() if item.label not in asked.without]
    check_enough(counts_of(items))
    [(most, _)] = Counter(item.model for item in items).most_common(1)
    return client_model(most) or service.settings.model


def _train(service: Service, asked: HeadRequest, model: str, report: Report) -> dict[str, Any]:
    with service.models.borrow(ModelChoice(model)) as recognizer:
        trained = train_on_corrections(
            service.archiving.archive,
            asked.name,
            recognizer,
            without=asked.without,
            begin=lambda done, total: report({"step": "segments", "done": done, "total": total}),
            progress=lambda done, total: report({"step": "fits", "done": done, "total": total}),
        )
    try:
        trained.head.write(head_path(asked.name))
    except HeadError as error:  # the message names the file, and is for the log
        log.error("%s", error)
        if isinstance(error.__cause__, OSError):
            raise from_refusal(error.__cause__) from error
        raise
    left_out = [LeftOutSegment(segment=name, reason=reason) for name, reason in trained.failures[:SHOWN]]
    view = TrainedView(
        **dict(head_view(asked.name, trained.head)), left_out=left_out, left_out_count=len(trained.failures)
    )
    return view.model_dump(mode="json")
