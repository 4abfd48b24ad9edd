"""The queue in front of the models: a hearer that takes no more than it can hold."""

from collections.abc import Iterator
from contextlib import contextmanager

from emovox.inference.model_pool import ModelPool
from emovox.inference.scheduler import Scheduler
from emovox.server.http.problems import Problem, busy
from emovox.server.jobs.progress import JobProgress

BYTE_RATE = 176_400  # bytes of a second of sound, at most: those of a CD


class InferenceQueue(Scheduler):
    """A hearer whose places are counted."""

    def __init__(self, models: ModelPool, *, size: int, threads: int) -> None:
        """Start the threads.

        Args:
            models: to borrow from.
            size: recordings that may be held, from `reserve` on.
            threads: recordings heard at the same time.
        """
        super().__init__(models, threads=threads)
        self._size = size
        self._held: set[JobProgress] = set()

    @property
    def length(self) -> int:
        """Recordings held: being decoded, waiting, or being heard."""
        return len(self._held)

    def seconds_left(self) -> float:
        """How long it takes at least until all that is held has been heard, if it goes on as it did lately.

        Of what isn't decoded yet only the file's size is known: it is taken for uncompressed sound. So this is
        rather too short: a client that comes too soon waits again, one that comes too late has slept for nothing.
        """
        sound = 0.0
        for progress in self._held:
            whole = progress.size / BYTE_RATE if progress.duration is None else progress.duration
            sound += max(0.0, whole - progress.inferred)
        seconds = min(sound * self.pace.of_second, len(self._held) * self.pace.of_recording)
        return seconds / max(1, len(self.threads))

    def check(self) -> None:
        """Refuse at once what would be refused later.

        Raises:
            Problem: 503, the queue is full or the service stops.
        """
        if self.closed:
            raise Problem(503, "stopping", "the service is stopping", headers={"Retry-After": "5"})
        if len(self._held) >= self._size:
            raise busy(self.seconds_left())

    @contextmanager
    def reserve(self, progress: JobProgress | None = None) -> Iterator[None]:
        """A place in the queue, for the length of a block; for the event loop's thread.

        Args:
            progress: of the recording that takes it.

        Raises:
            Problem: 503, there is none.
        """
        self.check()
        progress = progress or JobProgress()
        self._held.add(progress)
        try:
            yield
        finally:
            self._held.discard(progress)
