"""The lifespan: the background tasks, from the service's start to its stop."""

import asyncio
import gc
import math
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from emovox.inference.model_pool import ModelChoice
from emovox.server import outputs_lock
from emovox.server.database import owner, restore
from emovox.server.http.problems import log
from emovox.server.jobs import webhooks
from emovox.server.jobs.jobs import FINISHED, Job
from emovox.server.jobs.runner import Runner
from emovox.server.keys import FRESH
from emovox.server.retention import EVERY, Retention
from emovox.server.service import Service

LAG = 0.05  # seconds between measurements of the event loop
DATABASE, STUCK = 2.0, 10.0  # seconds between checks of the database, and after which it counts as away
ARCHIVING = 5.0  # seconds between checks for outputs that wait to be archived


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run an app's service; in the end running jobs are finished or put back, and everything is closed."""
    service: Service = app.state.service
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, service.close)
        stack.push_async_callback(service.decoders.close)
        if service.transcriber is not None:
            stack.push_async_callback(service.transcriber.close)
        if service.label_studio is not None:
            stack.push_async_callback(service.label_studio.close)
        await asyncio.to_thread(_recover, service)
        await service.decoders.start()
        app.state.runner = runner = Runner(service, at_once=max(2, service.settings.service.inference_threads))
        stack.push_async_callback(runner.close)
        stack.push_async_callback(service.supervision.close)
        _start_tasks(service, runner)
        yield


def _start_tasks(service: Service, runner: Runner) -> None:
    start, query = service.supervision.start, service.query
    idle = min(30.0, service.settings.service.model_idle / 4)
    start("loading the model", partial(_load_model, service))
    start("keys", partial(query, service.keys.refresh), rest=partial(asyncio.sleep, FRESH), patience=STUCK)
    start("archiving", partial(_catch_up, service), rest=partial(asyncio.sleep, ARCHIVING))
    start("unloading models", partial(asyncio.to_thread, service.models.sweep), rest=partial(asyncio.sleep, idle))
    start("the event loop's watch", partial(_measure_lag, service), rest=partial(asyncio.sleep, 0))
    start(
        "the database",
        partial(_check_databases, service),
        rest=partial(asyncio.sleep, DATABASE),
        patience=STUCK,
    )
    start("jobs", runner.round, rest=runner.rest, patience=STUCK)
    start(webhooks.NAME, webhooks.Webhooks(service).run, lasting=True)
    start("retention", Retention(service).round, rest=partial(asyncio.sleep, EVERY))
    start("tenancy", service.outputs_lock.round, rest=partial(asyncio.sleep, outputs_lock.EVERY))


def _recover(service: Service) -> None:
    """Read the keys, take over our jobs from before there were owners, and delete uploads that a kill left."""

    def is_ours(job: Job) -> bool:
        if job.state not in FINISHED:
            return service.uploads.path(job.upload).exists()
        return job.output is None or (service.settings.outputs / job.output).is_dir()

    service.keys.refresh()
    alone = not service.settings.database.get_secret_value()
    service.jobs.adopt(None if alone else is_ours)
    service.uploads.sweep(service.jobs.uploads())


async def _load_model(service: Service) -> None:
    """Load the default model, so that the first request needn't wait for it."""

    def load() -> None:
        with service.models.borrow(ModelChoice(service.settings.model)):
            pass

    await asyncio.to_thread(load)
    gc.freeze()  # else each collection would look through all that stays, and stop the event loop for 80 ms
    service.ready = True


async def _catch_up(service: Service) -> None:
    """Archive outputs that are stored but not archived yet."""
    await service.query.within(math.inf, service.archiving.catch_up)
    await service.query.within(math.inf, service.archiving.refresh)


async def _measure_lag(service: Service) -> None:
    """Measure how late the event loop is."""
    started = time.monotonic()
    await asyncio.sleep(LAG)
    service.lag = max(service.lag, time.monotonic() - started - LAG)


async def _check_databases(service: Service) -> None:
    """Check that the databases are there, and the file by which the next start knows our jobs."""
    if await service.query(restore, service.database, write=True):
        log.error("the service's database was deleted, and the jobs with it: created a new one")
    if await service.query(restore, service.archiving.archive.database):
        log.error("the archive was deleted: rebuilding it from the stored outputs")
        service.archiving.scan()
    await asyncio.to_thread(owner, service.state, service.jobs.owner)  # if the outputs were deleted
