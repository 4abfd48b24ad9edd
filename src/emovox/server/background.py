"""Work in the background that clients may follow: each runs once, however many ask for it, and few run at once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emovox.server.http.problems import Problem, from_error

Report = Callable[[dict[str, Any]], None]
"""Takes how far it is, as the data of an event."""
Task = Callable[[Report], dict[str, Any]]
"""Does the work, and gives what came of it, as the data of an event."""


@dataclass
class Work:
    """Work that is running, or has ended.

    Attributes:
        state: the kind of its current event, `progress`, `done` or `failed`, and the event's data.
    """

    state: tuple[str, Any] = field(default=("progress", {"done": 0, "total": None}))

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state[0] != "progress"


class Background:
    """Works of one kind. They go on even if no client follows them. For the event loop's thread."""

    def __init__(self, kind: str, *, at_once: int, busy: str) -> None:
        """Begin.

        Args:
            kind: of their threads' names.
            at_once: how many may run.
            busy: what to wait for while so many do, with `{}` for their names.
        """
        self._kind, self._at_once, self._busy = kind, at_once, busy
        self._works: dict[str, Work] = {}

    def start(self, name: str, task: Task) -> Work:
        """The running work of that name, or a new one.

        Raises:
            Problem: 503, too many others are running.
        """
        self._works = {other: work for other, work in self._works.items() if not work.ended}
        if (running := self._works.get(name)) is not None:
            return running
        if len(self._works) >= self._at_once:
            names = " and ".join(sorted(self._works))
            raise Problem(503, "busy", self._busy.format(names), headers={"Retry-After": "60"})
        work = Work()

        def report(data: dict[str, Any]) -> None:
            work.state = "progress", data

        def run() -> None:
            try:
                work.state = "done", task(report)
            except Exception as error:
                work.state = "failed", from_error(error).to_dict()

        threading.Thread(target=run, name=f"{self._kind}-{name}", daemon=True).start()
        self._works[name] = work
        return work
