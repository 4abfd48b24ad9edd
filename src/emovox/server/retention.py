"""Retention: deletes outputs, rescued sound and jobs that are too old, and outputs that take too much space.

And where sound isn't to be kept, that of outputs that keep the rest.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from emovox import use_log
from emovox.archive.erasure import erase, expired
from emovox.baselines.removal import holders
from emovox.server.http.problems import log
from emovox.server.service import Service
from emovox.server.stored_outputs import stamp

EVERY = 60.0  # seconds between sweeps


class Retention:
    """Deletes what the settings say."""

    def __init__(self, service: Service) -> None:
        self._service, self._options = service, service.settings.service

    async def round(self) -> None:
        """Sweep, if there are limits."""
        due = self._options.retention_days or self._options.max_outputs_size
        if due or self._without_sound or self._service.policy.retention:
            await self._service.query.within(math.inf, self.sweep)

    @property
    def _without_sound(self) -> bool:
        return self._service.settings.keep == "scores"

    def sweep(self) -> None:
        """Delete jobs and outputs beyond the age limit, and the oldest outputs beyond the size limit.

        And all sound that is too old, where it isn't to be kept.
        """
        options, stored = self._options, self._service.stored_outputs
        if options.retention_days:
            limit = datetime.now(timezone.utc) - timedelta(days=options.retention_days)
            self._service.jobs.forget(limit.timestamp())
            self._remove([id_ for id_, created in stored.created().items() if created < limit])
        if self._service.policy.retention:
            self._expire()
        if self._without_sound:
            limit = datetime.now(timezone.utc) - timedelta(days=options.keep_sound_days)
            for id_, created in stored.created().items():
                if created < limit:
                    stored.remove_sound(id_)
        if options.max_outputs_size:
            total, beyond = 0, []
            for id_ in sorted([*stored.ids(), *stored.rescued()], key=stamp, reverse=True):
                total += stored.size(id_)
                if total > options.max_outputs_size:
                    beyond.append(id_)
            self._remove(beyond)

    def _expire(self) -> None:
        """Erase what is older than the policy keeps it, by purpose."""
        archive = self._service.archiving.archive
        if records := expired(archive, self._service.policy):
            with use_log.by("retention"):
                use_log.log("deleted", recordings=sorted({record.sha256 for record in records}))
            erasure = erase(archive, records, remove=self._service.remove_outputs)
            log.info("%d recognitions were erased, as the policy's retention says", erasure.recognitions)
            for item in (*erasure.left, *(held for held in erasure.baselines if held.reason), *erasure.heads):
                log.warning("something is left of what was erased: %s", item)

    def _remove(self, ids: Sequence[str]) -> None:
        """Delete outputs, and say which baselines were made of them: they stay, until somebody fits them again."""
        stored = self._service.stored_outputs
        sha256s = {sha256 for id_ in ids if (sha256 := stored.sha256(id_)) is not None}
        if sha256s and (held := [item.name for item in holders(sha256s) if item.certain]):
            log.warning(
                "recordings are deleted, as the settings say, that these baselines were made of: %s",
                ", ".join(map(repr, held)),
            )
        stored.remove_all(ids)
