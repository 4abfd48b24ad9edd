"""Asking: threads for questions to the database, which may be slow to answer or never answer at all.

They are none of the threads that others wait with, so a database that is away holds up nothing else; and nobody
waits for it longer than a few seconds.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import fail_after

from emovox.server.problems import database_away

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

PATIENCE = 10.0  # seconds
LOCKED = 5.0  # seconds that an SQLite file which somebody else has locked is waited for
_THREADS = 16


class Asking:
    """Asks by calling what waits for the database: `await ask(jobs.get, id_)`."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "database")

    async def __call__(self, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Call `work` in a thread, and give what it returns.

        Raises:
            Problem: 503, there was no answer in time. It may still be done later.
        """
        return await self.within(PATIENCE, work, *args, **kwargs)

    async def within(
        self, seconds: float, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs
    ) -> Answer:
        """The same, with a patience of its own."""
        call = partial(work, *args, **kwargs)
        try:
            with fail_after(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except TimeoutError:
            raise database_away() from None

    def close(self) -> None:
        """Take no more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)
