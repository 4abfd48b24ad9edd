"""Accepting: what the routes that take recordings share, from the body to the options or a job."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from fastapi import Request

from emovox.server.jobs import Job, NewJob
from emovox.server.options import RecognitionOptions, read
from emovox.server.problems import Problem, busy, invalid
from emovox.server.runner import Runner
from emovox.server.service import Service, counted, service_of
from emovox.server.uploads import Limits, Upload, receive
from emovox.server.webhooks import check_url

Result = TypeVar("Result")

APART = frozenset({"name", "webhook"})


@dataclass(frozen=True)
class Accepted:
    """What came with a request."""

    files: list[Upload]
    options: RecognitionOptions
    webhook: str | None


def runner_of(request: Request) -> Runner:
    """The runner of the service that a request came to."""
    return cast("Runner", request.app.state.runner)


async def accept(request: Request, limits: Limits) -> Accepted:
    """Take a request's body and options. Whoever calls deletes the files, or hands them to jobs.

    Raises:
        Problem: anything is wrong; nothing is left then.
    """
    service = service_of(request)
    read(request, {}, apart=APART)  # what is wrong in the query needn't wait for the body
    with counted(service):
        form = await receive(request, service.uploads, limits, name=request.query_params.get("name"))
    try:
        options = read(request, form.fields, apart=APART)
        if not form.files:
            raise invalid([{"field": "file", "reason": "there is no recording in the form"}])
        name = request.query_params.get("name") or form.fields.get("name")
        if name is not None and len(name) > 4096:
            raise invalid([{"field": "name", "reason": "longer than 4096 characters"}])
        files = [Upload(file.token, name or file.name, file.size) for file in form.files]
        if any(not file.size for file in files):
            raise Problem(422, "unreadable-audio", "the file is empty", title="Not a recording that can be read")
        webhook = request.query_params.get("webhook") or form.fields.get("webhook")
        return Accepted(files, options, check_url(webhook, private=service.settings.webhook_private))
    except BaseException:
        for file in form.files:
            service.uploads.remove(file.token)
        raise


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work that is stopped when the client has gone; its body was read before.

    Raises:
        Problem: 499, nobody waits for the answer.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Problem(499, "client-gone", "nobody waits for the answer")
    finally:
        for unfinished in (task, gone):
            unfinished.cancel()
        await asyncio.wait({task, gone})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def enqueue(service: Service, runner: Runner, accepted: Accepted, *, batch: str | None = None) -> list[Job]:
    """Make a job of each file.

    Raises:
        Problem: 503, too many wait.
    """
    waiting = await asyncio.to_thread(service.jobs.waiting)
    if waiting + len(accepted.files) > service.settings.jobs:
        raise busy(60)
    webhook = accepted.webhook or service.settings.webhook_url or None
    options = accepted.options.model_dump(mode="json", exclude_defaults=True)
    new = [NewJob(file.name, options, file.token, webhook) for file in accepted.files]

    def add() -> list[Job]:
        for file in accepted.files:
            service.uploads.keep(file.token)
        return service.jobs.add(new, batch=batch)

    jobs = await asyncio.to_thread(add)
    runner.wake()
    return jobs
