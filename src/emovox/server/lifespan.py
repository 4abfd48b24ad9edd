"""What runs beside the requests: the jobs' runner, webhooks, and the end of what was kept long enough."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from emovox.server.jobs import webhooks
from emovox.server.jobs.runner import Runner
from emovox.server.retention import EVERY, Retention
from emovox.server.service import STUCK, Service
from emovox.server.tenancy import LOOK


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Runner]:
    """Run all of a service; in the end what runs is finished or put back."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service.running())
        runner = Runner(service, at_once=max(2, service.settings.service.inference_threads))
        stack.push_async_callback(runner.close)
        stack.push_async_callback(service.supervision.close)
        start = service.supervision.start
        start("jobs", runner.round, rest=runner.rest, patience=STUCK)
        start(webhooks.NAME, webhooks.Webhooks(service).run, lasting=True)
        start("retention", Retention(service).round, rest=lambda: asyncio.sleep(EVERY))
        start("tenancy", service.tenancy.round, rest=lambda: asyncio.sleep(LOOK))
        yield runner
