"""Pulls of models: each runs once, however many clients ask for it, and only a few run at once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emovox.models.entry import CatalogModel
from emovox.server.http.problems import Problem, from_error

AT_ONCE = 2

Fetch = Callable[[Callable[[int, int], None]], object]
"""Downloads a model, and reports the bytes so far and in all."""


@dataclass
class Pull:
    """A pull that is running, or has ended.

    Attributes:
        state: the kind of its current event, `progress`, `done` or `failed`, and the event's data.
    """

    state: tuple[str, Any] = field(default=("progress", {"done": 0, "total": None}))

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state[0] != "progress"


class Pulls:
    """The pulls of a service. They go on even if no client follows them. For the event loop's thread."""

    def __init__(self) -> None:
        self._pulls: dict[str, Pull] = {}

    def join(self, model: CatalogModel, fetch: Fetch) -> Pull:
        """The running pull of a model, or a new one.

        Raises:
            Problem: 503, too many others are running.
        """
        self._pulls = {name: pull for name, pull in self._pulls.items() if not pull.ended}
        if (running := self._pulls.get(model.name)) is not None:
            return running
        if len(self._pulls) >= AT_ONCE:
            names = " and ".join(sorted(self._pulls))
            raise Problem(
                503, "busy", f"wait for the download of {names} to finish", headers={"Retry-After": "60"}
            )
        pull = Pull()

        def work() -> None:
            try:
                fetch(progress)
            except Exception as error:
                pull.state = "failed", from_error(error).to_dict()
            else:
                pull.state = "done", {"model": model.name}

        def progress(done: int, total: int) -> None:
            pull.state = "progress", {"done": done, "total": total}

        threading.Thread(target=work, name=f"pull-{model.name}", daemon=True).start()
        self._pulls[model.name] = pull
        return pull
