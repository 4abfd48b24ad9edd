"""Admission: how many recordings clients may wait for at once, and when those turned away may come back."""

from collections.abc import Iterator
from contextlib import contextmanager

from emovox.inference.scheduler import Scheduler
from emovox.server.http.problems import Problem, busy
from emovox.server.jobs.progress import JobProgress

BYTE_RATE = 176_400  # bytes of a second of sound, at most: those of a CD


class Admission:
    """The recordings that clients wait for, a limited number, each from its decoding to its result."""

    def __init__(self, scheduler: Scheduler, *, limit: int) -> None:
        """Begin with none.

        Args:
            scheduler: runs their inference.
            limit: recordings at once.
        """
        self._scheduler, self._limit = scheduler, limit
        self._recordings: set[JobProgress] = set()

    @property
    def count(self) -> int:
        """The number of recordings being decoded, waiting for a model, or in one."""
        return len(self._recordings)

    def seconds_left(self) -> float:
        """The time until all recordings are done, at least, if models stay as fast as they were lately.

        Until a recording is decoded only its file's size is known, which is taken for uncompressed sound. So this
        is rather too short: a client that comes back too soon waits again, one that comes too late loses time.
        """
        sound = 0.0
        for progress in self._recordings:
            duration = progress.size / BYTE_RATE if progress.duration is None else progress.duration
            sound += max(0.0, duration - progress.inferred)
        pace = self._scheduler.pace
        seconds = min(sound * pace.of_second, len(self._recordings) * pace.of_recording)
        return seconds / max(1, len(self._scheduler.threads))

    def check(self) -> None:
        """Refuse right away what would be refused later.

        Raises:
            Problem: 503, the limit is reached, or the service is stopping.
        """
        if self._scheduler.closed:
            raise Problem(503, "stopping", "the service is stopping", headers={"Retry-After": "5"})
        if len(self._recordings) >= self._limit:
            raise busy(self.seconds_left())

    @contextmanager
    def admit(self, progress: JobProgress) -> Iterator[None]:
        """Count a recording for the length of a block; for the event loop's thread.

        Raises:
            Problem: 503, as `check`.
        """
        self.check()
        self._recordings.add(progress)
        try:
            yield
        finally:
            self._recordings.discard(progress)
