"""Batches: many recordings at once, a job for each, and their overall progress."""

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from emovox.server.http import events
from emovox.server.http.openapi import body
from emovox.server.http.problems import Problem, responses
from emovox.server.jobs.jobs import Job
from emovox.server.jobs.runner import Runner
from emovox.server.jobs.views import BatchView, batch_progress, batch_view
from emovox.server.options import BatchOptions
from emovox.server.polls import Event
from emovox.server.service import service_of
from emovox.server.submission import accept, enqueue, runner_of, split

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
    """Recognise many recordings: a form with many files, and options for all of them.

    With `split_channels` each channel is recognised by itself; a recording with one channel, as it is.
    """
    service, runner = service_of(request), runner_of(request)
    limits = replace(service.limits, files=service.settings.service.max_batch_files)
    submission = await accept(request, limits, BatchOptions)
    batch = secrets.token_hex(16)
    try:
        submission = await split(request, submission)
        jobs = await enqueue(service, runner, submission, batch=batch)
    except BaseException:
        for file in submission.files:
            service.uploads.remove(file.token)
        raise
    answer = await _answer(batch, jobs, runner)
    answer.status_code, answer.headers["Location"] = 202, f"/v1/batches/{batch}"
    return answer


@router.get(
    "/{id_}",
    response_class=Response,
    responses={200: {"description": "The batch.", "model": BatchView}, **responses(404, 422, 503)},
)
async def get(request: Request, id_: BatchId) -> Response:
    """A batch with its jobs and its progress."""
    return await _answer(id_, await _jobs(request, id_), runner_of(request))


@router.get(
    "/{id_}/events",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, finished", "content": events.CONTENT},
        **responses(404, 422, 503),
    },
)
async def follow(request: Request, id_: BatchId) -> StreamingResponse:
    """The batch's progress as a stream of events, without its jobs."""
    service, runner = service_of(request), runner_of(request)

    async def poll() -> Event:
        states = await service.query(service.jobs.states, id_)
        if not states:
            raise _no_such_batch()
        view = batch_progress(id_, states, runner)
        return "finished" if view.finished else "progress", view.model_dump(mode="json"), view.finished

    await poll()
    return events.stream(service, poll, key=f"batch {id_}")


@router.delete(
    "/{id_}",
    response_class=Response,
    responses={200: {"description": "The batch.", "model": BatchView}, **responses(404, 422, 503)},
)
async def cancel(request: Request, id_: BatchId) -> Response:
    """Cancel all queued and running jobs of a batch."""
    service, runner = service_of(request), runner_of(request)
    jobs = await _jobs(request, id_)
    await service.query(service.jobs.cancel_batch, id_)
    for job in jobs:
        runner.stop(job.id)
    runner.wake()  # it clears up
    return await _answer(id_, await _jobs(request, id_), runner)


async def _jobs(request: Request, id_: str) -> list[Job]:
    service = service_of(request)
    jobs = await service.query(service.jobs.of_batch, id_)
    if not jobs:
        raise _no_such_batch()
    return jobs


async def _answer(id_: str, jobs: list[Job], runner: Runner) -> Response:
    """The batch's JSON, made in a thread: there may be ten thousand jobs."""
    text = await asyncio.to_thread(lambda: batch_view(id_, jobs, runner).model_dump_json())
    return Response(text, media_type="application/json")


def _no_such_batch() -> Problem:
    return Problem(404, "no-such-batch", "there is no batch with this id")
