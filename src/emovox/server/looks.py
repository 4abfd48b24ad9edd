"""Looks: what many want to see at once is looked at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

FRESH = 0.25  # seconds for which what was seen is shown to others, too

Look = tuple[str, Any, bool]
"""The kind of event, its data, and whether it is the last."""


class Looks:
    """What was seen lately."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[float, asyncio.Task[Look]]] = {}

    async def take(self, key: str, look: Callable[[], Awaitable[Look]]) -> Look:
        """What was seen a moment ago, or is being looked at, or is seen now. Raises what `look` raises."""
        now = time.monotonic()
        if not self._is_fresh(key, now):
            self._looks = {other: kept for other, kept in self._looks.items() if self._is_fresh(other, now)}
            task = asyncio.create_task(_awaited(look))
            task.add_done_callback(_noticed)
            self._looks[key] = now, task
        return await asyncio.shield(self._looks[key][1])  # whoever goes leaves it to the others

    def _is_fresh(self, key: str, now: float) -> bool:
        then, task = self._looks.get(key, (0.0, None))
        return task is not None and (not task.done() or now - then < FRESH)


async def _awaited(look: Callable[[], Awaitable[Look]]) -> Look:
    return await look()


def _noticed(task: "asyncio.Task[Look]") -> None:
    """All who wanted to know how it ended may have gone."""
    if not task.cancelled():
        task.exception()
