"""Submission: what the routes that accept recordings share, from the body to the options and jobs."""

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
from emovox.server.metadata import check_export
from emovox.server.options import CHANNELS, BatchOptions, RecognitionOptions, read
from emovox.server.service import Service, receiving, service_of

Result = TypeVar("Result")

APART = frozenset({"name", "webhook"})


@dataclass(frozen=True)
class Submission:
    """The content of a request."""

    files: list[Upload]
    options: RecognitionOptions
    webhook: str | None


def runner_of(request: Request) -> Runner:
    """The runner of the service that received a request."""
    return cast("Runner", request.app.state.runner)


async def accept(
    request: Request, limits: Limits, kind: type[RecognitionOptions] = RecognitionOptions
) -> Submission:
    """Receive a request's body and options. The caller deletes the files, or hands them to jobs.

    Args:
        request: its body must not have been read.
        limits: of the body.
        kind: the class of the options.

    Raises:
        Problem: something is wrong; nothing is left of the request.
        ExportError: an export needs values that the model doesn't give; likewise.
    """
    service = service_of(request)
    read(request, {}, kind, apart=APART)  # mistakes in the query needn't wait for the body
    with receiving(service):
        form = await receive(request, service.uploads, limits, name=request.query_params.get("name"))
    try:
        options = read(request, form.fields, kind, apart=APART)
        await asyncio.to_thread(check_export, options, service.settings.model)
        if not form.files:
            raise invalid([{"field": "file", "reason": "the form contains no recording"}])
        name = request.query_params.get("name") or form.fields.get("name")
        if name is not None and len(name) > 4096:
            raise invalid([{"field": "name", "reason": "longer than 4096 characters"}])
        files = [Upload(file.token, name or file.name, file.size) for file in form.files]
        if any(not file.size for file in files):
            raise Problem(422, "unreadable-audio", "the file is empty", title="Unreadable recording")
        webhook = request.query_params.get("webhook") or form.fields.get("webhook")
        return Submission(files, options, check_url(webhook, private=service.settings.service.webhook_private))
    except BaseException:
        for file in form.files:
            service.uploads.remove(file.token)
        raise


async def unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for work, but stop it if the client disconnects; the body must have been read before.

    Raises:
        Problem: 499, the client has disconnected.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Problem(499, "client-gone", "the client has disconnected")
    finally:
        for unfinished in (task, gone):
            unfinished.cancel()
        await asyncio.wait({task, gone})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def split(request: Request, submission: Submission) -> Submission:
    """Make an upload of each channel of each file, if the options say so.

    A file that can't be read stays one upload, and its job will say why; so does a file with one channel. The
    caller deletes the files of the submission; if this fails, none that it made is left.

    Raises:
        Problem: there are too many channels or jobs, or the disk is full.
        DecoderError: no decoding process can be started.
    """
    service, options = service_of(request), submission.options
    if not isinstance(options, BatchOptions) or not options.split_channels:
        return submission

    async def count(file: Upload) -> int:
        try:
            return await service.decoders.channels(
                service.uploads.path(file.token), track=options.track, max_bytes=service.settings.max_file_size
            )
        except AudioError:
            return 1

    async def count_all() -> list[int]:
        return await asyncio.gather(*(count(file) for file in submission.files))

    counts = await unless_gone(request, count_all())
    if max(counts) > CHANNELS:
        reason = f"a recording has {max(counts)} channels: at most {CHANNELS} can be split"
        raise invalid([{"field": "split_channels", "reason": reason}])
    await _check_room(service, sum(max(1, number) for number in counts))

    def divide() -> list[Upload]:
        files: list[Upload] = []
        tokens: list[str] = []
        try:
            for file, number in zip(submission.files, counts, strict=True):
                if number < 2:
                    files.append(file)
                    continue
                files.append(replace(file, channel=1))
                for channel in range(2, number + 1):
                    tokens.append(service.uploads.duplicate(file.token))
                    files.append(replace(file, token=tokens[-1], channel=channel))
        except BaseException:
            for token in tokens:
                service.uploads.remove(token)
            raise
        return files

    if options.speech_only is None:  # for recordings with one channel, too, whose jobs name none
        options = replace(options, speech_only=True)
    return replace(submission, files=await asyncio.to_thread(divide), options=options)


async def _check_room(service: Service, number: int) -> None:
    if await service.query(service.jobs.waiting) + number > service.settings.service.max_jobs:
        raise busy(10)


async def enqueue(
    service: Service, runner: Runner, submission: Submission, *, batch: str | None = None
) -> list[Job]:
    """Make a job of each file.

    Raises:
        Problem: 503, too many jobs are waiting, or the database doesn't answer.
        OutputsError: the files can't be stored.
        sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
    """
    await _check_room(service, len(submission.files))
    webhook = submission.webhook or service.settings.service.webhook_url or None
    options = submission.options.dump()
    options.pop("split_channels", None)  # each job has its channel
    new = [
        NewJob(
            file.name,
            options if file.channel is None else {**options, "channel": file.channel},
            file.token,
            webhook,
        )
        for file in submission.files
    ]

    def keep() -> None:
        try:
            for file in submission.files:
                service.uploads.keep(file.token)
        except OSError as error:
            raise OutputsError(f"an upload can't be stored: {error}") from error

    abandoned = threading.Event()

    def add() -> list[Job]:
        jobs = service.jobs.add(new, batch=batch)
        if abandoned.is_set():  # the client was told that they were not accepted
            for job in jobs:
                service.jobs.cancel(job.id)
        return jobs

    await asyncio.to_thread(keep)
    try:
        jobs = await service.query(add)
    except BaseException:
        abandoned.set()
        raise
    runner.wake()
    return jobs
