"""Polls: what many clients follow is queried once for all of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

FRESH = 0.25  # seconds for which the result of a poll is shared

Event = tuple[str, Any, bool]
"""The kind of event, its data, and whether it is the last."""
Poll = Callable[[], Awaitable[Event]]


class Polls:
    """The latest polls, by key."""

    def __init__(self) -> None:
        self._polls: dict[str, tuple[float, asyncio.Task[Event]]] = {}

    async def share(self, key: str, poll: Poll) -> Event:
        """The result of a poll a moment ago, of one under way, or of a new one. Raises what `poll` raises."""
        now = time.monotonic()
        if not self._is_fresh(key, now):
            self._polls = {other: entry for other, entry in self._polls.items() if self._is_fresh(other, now)}
            task = asyncio.create_task(_run(poll))
            task.add_done_callback(_retrieve)
            self._polls[key] = now, task
        return await asyncio.shield(self._polls[key][1])  # a client that leaves doesn't cancel it for the others

    def _is_fresh(self, key: str, now: float) -> bool:
        then, task = self._polls.get(key, (0.0, None))
        return task is not None and (not task.done() or now - then < FRESH)


async def _run(poll: Poll) -> Event:
    return await poll()


def _retrieve(task: "asyncio.Task[Event]") -> None:
    """Retrieve the error: perhaps nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
