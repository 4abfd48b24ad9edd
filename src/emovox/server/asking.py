"""Asking: threads for questions to the database, which may be slow to answer or never answer at all.

They are none of the threads that others wait with, so a database that is away holds up nothing else; nobody waits
for it longer than a few seconds; and a process that ends waits for none of them.
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

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

PATIENCE = 10.0  # seconds
LOCKED = 5.0  # seconds that an SQLite file which somebody else has locked is waited for
_THREADS = 16


class Asking:
    """Asks by calling what waits for the database: `await ask(jobs.get, id_)`."""

    def __init__(self) -> None:
        self._questions: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def __call__(self, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Call `work` in a thread, and give what it returns.

        Raises:
            Problem: 503, there was no answer in time. What has begun may still be done later.
        """
        return await self.within(PATIENCE, work, *args, **kwargs)

    async def within(
        self, seconds: float, work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs
    ) -> Answer:
        """The same, with a patience of its own."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._start()
        self._questions.put(partial(_answer, loop, answer, partial(work, *args, **kwargs)))
        try:
            with fail_after(seconds):
                return await answer
        except TimeoutError:
            raise database_away() from None

    def close(self) -> None:
        """Take no more questions."""
        for _ in self._threads:
            self._questions.put(None)

    def _start(self) -> None:
        while len(self._threads) < _THREADS:
            thread = threading.Thread(target=self._work, name=f"database-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (question := self._questions.get()) is not None:
            question()


def _answer(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Answer]", work: Callable[[], Answer]) -> None:
    if answer.cancelled():
        return
    conclude: Callable[[], None]
    try:
        conclude = partial(answer.set_result, work())
    except BaseException as error:
        conclude = partial(answer.set_exception, error)

    def settle() -> None:
        if not answer.done():  # else whoever asked has gone
            conclude()

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle)
