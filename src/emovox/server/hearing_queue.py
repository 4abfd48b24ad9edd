"""The queue in front of the models: a hearer that takes no more than it can hold."""

from collections.abc import Iterator
from contextlib import contextmanager

from emovox.recognition.hearer import Hearer
from emovox.recognition.models import Models
from emovox.server.problems import Problem, busy


class HearingQueue(Hearer):
    """A hearer whose places are counted."""

    def __init__(self, models: Models, *, size: int, threads: int) -> None:
        """Start the threads.

        Args:
            models: to borrow from.
            size: recordings that may be held, from `reserve` on.
            threads: recordings heard at the same time.
        """
        super().__init__(models, threads=threads)
        self._size, self._held = size, 0

    @property
    def length(self) -> int:
        """Recordings held: being decoded, waiting, or being heard."""
        return self._held

    def check(self) -> None:
        """Refuse at once what would be refused later.

        Raises:
            Problem: 503, the queue is full or the service stops.
        """
        if self.closed:
            raise Problem(503, "stopping", "the service is stopping", headers={"Retry-After": "5"})
        if self._held >= self._size:
            raise busy(self._held * self.pace / max(1, len(self.threads)))

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """A place in the queue, for the length of a block; for the event loop's thread.

        Raises:
            Problem: 503, there is none.
        """
        self.check()
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
