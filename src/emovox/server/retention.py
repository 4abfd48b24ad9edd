"""Retention: outputs and jobs that are old enough, or too much, are deleted."""

import math
import time
from datetime import datetime, timedelta, timezone

from emovox.server.library import Query
from emovox.server.service import Service

EVERY = 60.0  # seconds
_PAGE = 100_000


class Retention:
    """Deletes what the settings say."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def round(self) -> None:
        """Look; without limits there is nothing to look for."""
        if self._service.settings.retention_days or self._service.settings.outputs_size:
            await self._service.ask.within(math.inf, self.sweep)

    def sweep(self) -> None:
        """Delete outputs beyond the limit of age and size, oldest first, and jobs beyond that of age."""
        options, library = self._service.settings, self._service.library
        if options.retention_days:
            limit = timedelta(days=options.retention_days)
            self._service.jobs.forget(time.time() - limit.total_seconds())
            old, _ = library.find(Query(until=datetime.now(timezone.utc) - limit), before=None, limit=_PAGE)
            library.remove(*(summary.id for summary in old))
        if options.outputs_size:
            total, beyond = 0, []
            for summary in library.find(Query(), before=None, limit=_PAGE)[0]:
                total += sum(path.stat().st_size for path in library.files(summary.id))
                if total > options.outputs_size:
                    beyond.append(summary.id)
            library.remove(*beyond)
