"""Jobs: their state, progress, result and cancellation."""

import asyncio
import itertools
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from emovox.server.http import events
from emovox.server.http.openapi import RECOGNITION
from emovox.server.http.problems import Problem, responses
from emovox.server.jobs.jobs import FINISHED, Job, State
from emovox.server.jobs.views import JobView, job_view
from emovox.server.polls import Event
from emovox.server.routes.outputs import InResult, result_response
from emovox.server.service import service_of
from emovox.server.submission import runner_of

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="of the job")]


class JobPage(BaseModel):
    """A page of jobs."""

    jobs: list[JobView]
    next: str | None = Field(description="address of the next page; null: this is the last")


@router.get("", responses=responses(422, 503))
async def page(
    request: Request,
    state: Annotated[State | None, Query(description="only jobs in this state")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="as in `next`")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobPage:
    """The jobs, latest first."""
    service, runner = service_of(request), runner_of(request)
    jobs = await service.query(service.jobs.page, state=state, before=before, limit=limit)
    next_ = None
    if len(jobs) == limit:
        filter_ = f"&state={state}" if state else ""
        next_ = f"/v1/jobs?limit={limit}&before={jobs[-1].number}{filter_}"
    return JobPage(jobs=[job_view(job, runner) for job in jobs], next=next_)


@router.get("/{id_}", responses=responses(404, 422, 503))
async def get(request: Request, id_: JobId) -> JobView:
    """A job with its progress."""
    return job_view(await _job(request, id_), runner_of(request))


@router.get(
    "/{id_}/events",
    response_class=Response,
    responses={
        200: {"description": "Events: queued, running, done, failed, cancelled", "content": events.CONTENT},
        **responses(404, 422, 503),
    },
)
async def follow(request: Request, id_: JobId) -> StreamingResponse:
    """The job as a stream of events, one for each change; the last says how it ended."""
    await _job(request, id_)
    runner = runner_of(request)

    async def poll() -> Event:
        job = await _job(request, id_)
        return job.state, job_view(job, runner).model_dump(mode="json"), job.state in FINISHED

    return events.stream(service_of(request), poll, key=f"job {id_}")


@router.get(
    "/{id_}/result",
    response_class=Response,
    responses={
        200: {"description": "The recognition.", "content": {"application/json": {"schema": RECOGNITION}}},
        **responses(404, 409, 422, 503),
    },
)
async def result(request: Request, id_: JobId, frames: InResult = None) -> Response:
    """The result.json of a job that is done."""
    service, job = service_of(request), await _job(request, id_)
    if job.state != "done":
        raise Problem(409, "not-done", f"the job is {job.state}")
    if job.output is None:
        first = await service.query(next, service.jobs.result(id_), None)
        if first is None:
            raise Problem(404, "no-such-result", "the result is gone")
        pieces = itertools.chain([first], service.jobs.result(id_, 1))
        return StreamingResponse(pieces, media_type="application/json")
    if not runner_of(request).owns(job):
        raise Problem(
            409, "elsewhere", "another service on the same database has the outputs of this job: ask that one"
        )
    rows_in = frames or job.options.get("frames")
    return result_response(await asyncio.to_thread(service.stored_outputs.result, job.output, rows_in))


@router.delete("/{id_}", responses=responses(404, 409, 422, 503))
async def cancel(request: Request, id_: JobId) -> JobView:
    """Cancel a queued or running job."""
    service, runner = service_of(request), runner_of(request)
    job = await _job(request, id_)
    if not await service.query(service.jobs.cancel, id_):
        raise Problem(409, "finished", f"the job is already {job.state}")
    if job.state == "queued" and runner.owns(job):
        service.uploads.remove(job.upload)
    runner.stop(id_)
    runner.wake()  # it clears up
    return job_view(await _job(request, id_), runner)


async def _job(request: Request, id_: str) -> Job:
    service = service_of(request)
    job = await service.query(service.jobs.get, id_)
    if job is None:
        raise Problem(404, "no-such-job", "there is no job with this id")
    return job
