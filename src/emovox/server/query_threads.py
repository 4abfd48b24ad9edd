"""Threads for queries: the database may be slow to answer, or never answer at all.

Nothing else uses these threads, so a database that is away holds up nothing else. Nobody waits longer than a few
seconds for an answer, and the end of the process doesn't wait for them.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from anyio import fail_after

from emovox.server.http.problems import database_away

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

PATIENCE = 10.0  # seconds
LOCKED = 5.0  # seconds to wait for an SQLite file that another process has locked
_THREADS = 16


class QueryThreads:
    """Makes calls that wait for the database: `await query(jobs.get, id_)`."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def __call__(
        self, call: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """Make a call in a thread, and return its result.

        Raises:
            Problem: 503, there was no answer in time. The call may still take effect later.
        """
        return await self.within(PATIENCE, call, *args, **kwargs)

    async def within(
        self, seconds: float, call: Callable[Arguments, Answer], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        """The same, with another time limit."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._start()
        self._calls.put(partial(_answer, loop, answer, partial(call, *args, **kwargs)))
        try:
            with fail_after(seconds):
                return await answer
        except TimeoutError:
            raise database_away() from None

    def close(self) -> None:
        """Take no more calls."""
        for _ in self._threads:
            self._calls.put(None)

    def _start(self) -> None:
        while len(self._threads) < _THREADS:
            thread = threading.Thread(target=self._work, name=f"database-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _answer(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Answer]", call: Callable[[], Answer]) -> None:
    if answer.cancelled():
        return
    conclude: Callable[[], None]
    try:
        conclude = partial(answer.set_result, call())
    except BaseException as error:
        conclude = partial(answer.set_exception, error)

    def settle() -> None:
        if not answer.done():  # else the caller has gone
            conclude()

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle)
