"""Supervision: what runs beside the requests goes on, whatever happens to it, and whoever asks learns of it.

A task is a round that is done again and again, or once until it succeeds. One that fails is tried again after a
pause, which grows while it keeps failing; the log has a line when a trouble begins, and one when it is over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from emovox.server.http.problems import Problem, from_error, log

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds
LONGEST_REST = 60.0  # seconds; rounds that fail late are followed by as long a pause, but for this
SETTLED = 20.0  # seconds after which what never ends is taken to be well again, unless it has said so before

Work = Callable[[], Awaitable[object]]


@dataclass
class _Trouble:
    kind: tuple[type, ...]
    problem: Problem
    since: float = field(default_factory=time.monotonic)
    times: int = 1


class Supervision:
    """The background tasks of one service."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._patience: dict[str, float] = {}
        self._begun: dict[str, float] = {}  # rounds in progress
        self._troubles: dict[str, _Trouble] = {}

    def start(
        self,
        name: str,
        work: Work,
        *,
        rest: Work | None = None,
        patience: float = float("inf"),
        lasting: bool = False,
    ) -> None:
        """Begin a task.

        Args:
            name: what it does, for people.
            work: one round of it.
            rest: waits between rounds; None: one that succeeds is the last.
            patience: seconds after which a round that hasn't ended is a trouble, too.
            lasting: the round is meant never to end.
        """
        self._patience[name] = patience
        self._tasks[name] = asyncio.create_task(self._keep(name, work, rest, lasting=lasting))

    async def close(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    def failed(self, name: str, error: Exception) -> None:
        """Note a trouble."""
        kind = (type(error), type(getattr(error, "orig", None)))  # the database's own error, where it is one's
        trouble = self._troubles.get(name)
        if trouble is not None and trouble.kind == kind:
            trouble.times += 1
            return
        problem = from_error(error)
        self._troubles[name] = _Trouble(kind, problem)
        log.error("%s: %s; it is tried again and again", name, problem.detail)

    def well(self, name: str) -> None:
        """Note that there is no trouble, or none any more."""
        if (trouble := self._troubles.pop(name, None)) is not None:
            seconds = time.monotonic() - trouble.since
            log.info("%s: well again after %.0f s; it failed %d times", name, seconds, trouble.times)

    def names(self) -> list[str]:
        """The tasks there are."""
        return list(self._tasks)

    def troubles(self) -> dict[str, str]:
        """What is down, each with the reason in words."""
        now = time.monotonic()
        stuck = {
            name: f"no answer for {now - begun:.0f} s"
            for name, begun in self._begun.items()
            if now - begun > self._patience[name]
        }
        return stuck | {name: trouble.problem.detail for name, trouble in self._troubles.items()}

    async def _keep(self, name: str, work: Work, rest: Work | None, *, lasting: bool) -> None:
        pause = FIRST_PAUSE
        while True:
            begun = self._begun[name] = time.monotonic()
            timer = asyncio.get_running_loop().call_later(SETTLED, self.well, name) if lasting else None
            try:
                await work()
            except Exception as error:
                self.failed(name, error)
            else:
                self.well(name)
                pause = FIRST_PAUSE
                if rest is None:
                    return
                self._begun.pop(name)
                await rest()
                continue
            finally:
                spent = time.monotonic() - begun
                self._begun.pop(name, None)
                if timer is not None:
                    timer.cancel()
            # What takes long and fails shall not take all of the time. What lasts has worked as long as it took.
            await asyncio.sleep(pause if lasting else max(pause, min(spent, LONGEST_REST)))
            pause = min(LONGEST_PAUSE, 2 * pause)
