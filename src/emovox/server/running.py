"""What runs beside the requests: the jobs' runner, webhooks, and the end of what was kept long enough."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from emovox.server.retention import Retention
from emovox.server.runner import Runner
from emovox.server.service import Service
from emovox.server.webhooks import Webhooks


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Runner]:
    """Run all of a service; in the end what runs is finished or put back."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service.running())
        runner = Runner(service, at_once=max(2, service.settings.hearers))
        for work in (runner.run(), Webhooks(service).run(), Retention(service).run(), service.tenancy.run()):
            stack.push_async_callback(_end, asyncio.create_task(work))
        yield runner


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
