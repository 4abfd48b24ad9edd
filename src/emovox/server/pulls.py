"""Pulls of models: each runs once, however many clients ask for it, and only a few run at once."""

from collections.abc import Callable
from typing import Any

from emovox.models.entry import CatalogModel
from emovox.server.background import Background, Report, Work

AT_ONCE = 2

Fetch = Callable[[Callable[[int, int], None]], object]
"""Downloads a model, and reports the bytes so far and in all."""


class Pulls:
    """The pulls of a service. They go on even if no client follows them. For the event loop's thread."""

    def __init__(self) -> None:
        self._works = Background("pull", at_once=AT_ONCE, busy="wait for the download of {} to finish")

    def join(self, model: CatalogModel, fetch: Fetch) -> Work:
        """The running pull of a model, or a new one.

        Raises:
            Problem: 503, too many others are running.
        """

        def task(report: Report) -> dict[str, Any]:
            fetch(lambda done, total: report({"done": done, "total": total}))
            return {"model": model.name}

        return self._works.start(model.name, task)
