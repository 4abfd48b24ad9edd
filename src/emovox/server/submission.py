"""Accepting: what the routes that take recordings share, from the body to the options or a job."""

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from fastapi import Request

from emovox.errors import AudioError, OutputsError
from emovox.server.http.addresses import check_url
from emovox.server.http.problems import Problem, busy, invalid
from emovox.server.http.request_body import Limits, receive
from emovox.server.http.uploads import Upload
from emovox.server.jobs.jobs import Job, NewJob
from emovox.server.jobs.runner import Runner
from emovox.server.options import CHANNELS, BatchOptions, RecognitionOptions, read
from emovox.server.service import Service, counted, service_of

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


async def accept(
    request: Request, limits: Limits, kind: type[RecognitionOptions] = RecognitionOptions
) -> Accepted:
    """Take a request's body and options. Whoever calls deletes the files, or hands them to jobs.

    Args:
        request: whose body hasn't been read.
        limits: what is taken.
        kind: what options there are.

    Raises:
        Problem: anything is wrong; nothing is left then.
    """
    service = service_of(request)
    read(request, {}, kind, apart=APART)  # what is wrong in the query needn't wait for the body
    with counted(service):
        form = await receive(request, service.uploads, limits, name=request.query_params.get("name"))
    try:
        options = read(request, form.fields, kind, apart=APART)
        if not form.files:
            raise invalid([{"field": "file", "reason": "there is no recording in the form"}])
        name = request.query_params.get("name") or form.fields.get("name")
        if name is not None and len(name) > 4096:
            raise invalid([{"field": "name", "reason": "longer than 4096 characters"}])
        files = [Upload(file.token, name or file.name, file.size) for file in form.files]
        if any(not file.size for file in files):
            raise Problem(422, "unreadable-audio", "the file is empty", title="Not a recording that can be read")
        webhook = request.query_params.get("webhook") or form.fields.get("webhook")
        return Accepted(files, options, check_url(webhook, private=service.settings.service.webhook_private))
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


async def split(request: Request, accepted: Accepted) -> Accepted:
    """Make an upload of each channel of each file, where that was asked for.

    What can't be read stays one upload, whose job will say why, and so does what has one channel. Whoever calls
    deletes the files that were there; of those that are made here none is left when it fails.

    Raises:
        Problem: there are too many channels, or jobs; or the disk is full.
        DecoderError: no decoding process can be started.
    """
    service, options = service_of(request), accepted.options
    if not isinstance(options, BatchOptions) or not options.split_channels:
        return accepted

    async def count(file: Upload) -> int:
        try:
            return await service.decoders.channels(
                service.uploads.path(file.token), track=options.track, max_bytes=service.settings.max_file_size
            )
        except AudioError:
            return 1

    async def count_all() -> list[int]:
        return await asyncio.gather(*(count(file) for file in accepted.files))

    counts = await unless_gone(request, count_all())
    if max(counts) > CHANNELS:
        reason = f"one of the recordings has {max(counts)} channels, and {CHANNELS} at most are heard one by one"
        raise invalid([{"field": "split_channels", "reason": reason}])
    await _check_room(service, sum(max(1, number) for number in counts))

    def divide() -> list[Upload]:
        files: list[Upload] = []
        made: list[str] = []
        try:
            for file, number in zip(accepted.files, counts, strict=True):
                if number < 2:
                    files.append(file)
                    continue
                files.append(replace(file, channel=1))
                for channel in range(2, number + 1):
                    made.append(service.uploads.again(file.token))
                    files.append(replace(file, token=made[-1], channel=channel))
        except BaseException:
            for token in made:
                service.uploads.remove(token)
            raise
        return files

    if options.speech_only is None:  # of a recording with one channel too, whose job names none
        options = replace(options, speech_only=True)
    return replace(accepted, files=await asyncio.to_thread(divide), options=options)


async def _check_room(service: Service, number: int) -> None:
    if await service.query(service.jobs.waiting) + number > service.settings.service.max_jobs:
        raise busy(10)


async def enqueue(service: Service, runner: Runner, accepted: Accepted, *, batch: str | None = None) -> list[Job]:
    """Make a job of each file.

    Raises:
        Problem: 503, too many wait, or the database doesn't answer.
        OutputsError: the files can't be kept.
        sqlalchemy.exc.SQLAlchemyError: the database can't be used.
    """
    await _check_room(service, len(accepted.files))
    webhook = accepted.webhook or service.settings.service.webhook_url or None
    options = accepted.options.dump()
    options.pop("split_channels", None)  # each job has its channel
    new = [
        NewJob(
            file.name,
            options if file.channel is None else {**options, "channel": file.channel},
            file.token,
            webhook,
        )
        for file in accepted.files
    ]

    def keep() -> None:
        try:
            for file in accepted.files:
                service.uploads.keep(file.token)
        except OSError as error:
            raise OutputsError(f"an upload can't be kept: {error}") from error

    given_up = threading.Event()

    def add() -> list[Job]:
        jobs = service.jobs.add(new, batch=batch)
        if given_up.is_set():  # the client was told that they are not accepted
            for job in jobs:
                service.jobs.cancel(job.id)
        return jobs

    await asyncio.to_thread(keep)
    try:
        jobs = await service.query(add)
    except BaseException:
        given_up.set()
        raise
    runner.wake()
    return jobs
