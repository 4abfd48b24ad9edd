"""Supervision: background tasks keep running whatever happens, and report what is wrong.

A task is a round that is repeated for ever, or until it succeeds once. After a failure it is retried; the pause
grows while it keeps failing. The log has one line when a failure begins, and one when it is over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from emovox.server.http.problems import Problem, from_error, log

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds
LONGEST_REST = 60.0  # seconds; a round that fails late is followed by a pause as long, up to this
SETTLED = 20.0  # seconds after which a lasting round counts as well again, if it hasn't said so before

Work = Callable[[], Awaitable[object]]


@dataclass
class _Failure:
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
        self._failures: dict[str, _Failure] = {}

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
            name: of the task, for people.
            work: one round.
            rest: waits between rounds; None: the first that succeeds is the last.
            patience: seconds after which a round that hasn't ended counts as a failure.
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
        """Note a failure."""
        kind = (type(error), type(getattr(error, "orig", None)))  # the database's own error, if there is one
        failure = self._failures.get(name)
        if failure is not None and failure.kind == kind:
            failure.times += 1
            return
        problem = from_error(error)
        self._failures[name] = _Failure(kind, problem)
        log.error("%s: %s; retrying", name, problem.detail)

    def well(self, name: str) -> None:
        """Note that all is well, or well again."""
        if (failure := self._failures.pop(name, None)) is not None:
            seconds = time.monotonic() - failure.since
            log.info("%s: well again after %.0f s and %d failures", name, seconds, failure.times)

    def names(self) -> list[str]:
        """The names of all tasks."""
        return list(self._tasks)

    def failures(self) -> dict[str, str]:
        """The tasks that are failing or stuck, each with the reason."""
        now = time.monotonic()
        delays = {
            name: f"no answer for {now - begun:.0f} s"
            for name, begun in self._begun.items()
            if now - begun > self._patience[name]
        }
        return delays | {name: failure.problem.detail for name, failure in self._failures.items()}

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
                seconds = time.monotonic() - begun
                self._begun.pop(name, None)
                if timer is not None:
                    timer.cancel()
            # A round that takes long and fails must not take all the time. A lasting one worked all the while.
            await asyncio.sleep(pause if lasting else max(pause, min(seconds, LONGEST_REST)))
            pause = min(LONGEST_PAUSE, 2 * pause)
