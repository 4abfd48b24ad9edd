"""Retention: outputs and jobs that are old enough, or too much, are deleted."""

import math
from datetime import datetime, timedelta, timezone

from emovox.server.service import Service

EVERY = 60.0  # seconds


class Retention:
    """Deletes what the settings say."""

    def __init__(self, service: Service) -> None:
        self._service, self._options = service, service.settings.service

    async def round(self) -> None:
        """Sweep, where there are limits."""
        if self._options.retention_days or self._options.max_outputs_size:
            await self._service.query.within(math.inf, self.sweep)

    def sweep(self) -> None:
        """Delete outputs beyond the limit of age and size, oldest first, and jobs beyond that of age."""
        options, library = self._options, self._service.library
        if options.retention_days:
            limit = datetime.now(timezone.utc) - timedelta(days=options.retention_days)
            self._service.jobs.forget(limit.timestamp())
            ages = ((id_, library.created(id_)) for id_ in library.ids())
            library.remove_all([id_ for id_, created in ages if created is not None and created < limit])
        if options.max_outputs_size:
            total, beyond = 0, []
            for id_ in library.ids():
                total += library.size(id_)
                if total > options.max_outputs_size:
                    beyond.append(id_)
            library.remove_all(beyond)
