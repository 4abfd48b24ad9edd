"""Batches: many recordings at once, one job each, with one progress."""

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from emovox.server import events
from emovox.server.accepting import accept, enqueue, runner_of, split
from emovox.server.jobs import Job
from emovox.server.openapi import body
from emovox.server.options import BatchOptions
from emovox.server.problems import Problem, responses
from emovox.server.service import service_of
from emovox.server.views import BatchView, batch_view, dump

router = APIRouter(prefix="/v1/batches", tags=["batches"])
BatchId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="of the batch")]


@router.post(
    "",
    status_code=202,
    response_class=Response,
    responses={
        202: {"description": "A job for each file, or for each channel of each file.", "model": BatchView},
        **responses(408, 413, 415, 422, 503, 507),
    },
    openapi_extra=body(many=True),
)
async def begin(request: Request) -> Response:
    """Recognise many recordings: a form with many files, whose options are for all of them.

    With `split_channels` each channel is heard by itself; a recording of one channel is heard as it is.
    """
    service, runner = service_of(request), runner_of(request)
    limits = replace(service.limits, files=service.settings.batch_files)
    accepted = await accept(request, limits, BatchOptions)
    batch = secrets.token_hex(16)
    try:
        accepted = await split(request, accepted)
        jobs = await enqueue(service, runner, accepted, batch=batch)
    except BaseException:
        for file in accepted.files:
            service.uploads.remove(file.token)
        raise
    return JSONResponse(dump(batch_view(batch, jobs, runner)), 202, {"Location": f"/v1/batches/{batch}"})


@router.get("/{id_}", responses=responses(404, 422))
async def get(request: Request, id_: BatchId) -> BatchView:
    """A batch, its jobs and its progress."""
    return batch_view(id_, await _jobs(request, id_), runner_of(request))


@router.get(
    "/{id_}/events",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, finished", "content": events.CONTENT},
        **responses(404, 422),
    },
)
async def follow(request: Request, id_: BatchId) -> StreamingResponse:
    """The batch's progress as a stream of events, without its jobs."""
    await _jobs(request, id_)
    runner = runner_of(request)

    async def look() -> tuple[str, Any, bool]:
        view = batch_view(id_, await _jobs(request, id_), runner)
        data = view.model_dump(mode="json", exclude={"jobs"})
        return "finished" if view.finished else "progress", data, view.finished

    return events.stream(service_of(request), look)


@router.delete("/{id_}", responses=responses(404, 422))
async def cancel(request: Request, id_: BatchId) -> BatchView:
    """Cancel all jobs of a batch that wait or run."""
    service, runner = service_of(request), runner_of(request)
    for job in await _jobs(request, id_):
        if await asyncio.to_thread(service.jobs.cancel, job.id):
            runner.stop(job.id)
            if job.state == "queued":
                service.uploads.remove(job.upload)
    return batch_view(id_, await _jobs(request, id_), runner)


async def _jobs(request: Request, id_: str) -> list[Job]:
    found = await asyncio.to_thread(service_of(request).jobs.of_batch, id_)
    if not found:
        raise Problem(404, "no-such-batch", "there is no batch with this id")
    return found
