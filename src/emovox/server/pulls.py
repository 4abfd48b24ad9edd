"""Pulls of models: each once at a time, whoever asks for it, and few at once."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emovox.models.catalog import CatalogModel
from emovox.server.http.problems import Problem, from_error

AT_ONCE = 2

Fetch = Callable[[Callable[[int, int], None]], object]
"""Downloads, telling the bytes that are there and the bytes in all."""


@dataclass
class Pull:
    """A pull that runs, or has ended.

    Attributes:
        state: the kind of event that says how it stands: `progress`, `done` or `failed`; and its data.
    """

    state: tuple[str, Any] = field(default=("progress", {"done": 0, "total": None}))

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.state[0] != "progress"


class Pulls:
    """The pulls of a service. They go on when nobody listens; for the event loop's thread."""

    def __init__(self) -> None:
        self._pulls: dict[str, Pull] = {}

    def join(self, model: CatalogModel, fetch: Fetch) -> Pull:
        """The pull of a model that runs, or one that begins now.

        Raises:
            Problem: 503, as many others run as may.
        """
        self._pulls = {name: pull for name, pull in self._pulls.items() if not pull.ended}
        if (running := self._pulls.get(model.name)) is not None:
            return running
        if len(self._pulls) >= AT_ONCE:
            names = " and ".join(sorted(self._pulls))
            raise Problem(503, "busy", f"wait until {names} is downloaded", headers={"Retry-After": "60"})
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
