"""The queue in front of the models: bounded, first come first served, worked through by a few threads."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from emovox.audio.decoded import Decoded
from emovox.errors import EmovoxError
from emovox.recognition.options import Request
from emovox.recognition.recognition import Recognition
from emovox.server.models import Choice, Models
from emovox.server.problems import Problem, busy

TOGETHER = 32  # recordings that go to a model at once, at most, where it runs batches


@dataclass(eq=False)
class _Waiting:
    choice: Choice
    request: Request
    seconds: float  # of sound
    future: "asyncio.Future[Recognition]"
    loop: asyncio.AbstractEventLoop


class HearingQueue:
    """Recordings wait here for a model.

    Where the model runs batches (on a GPU), recordings that wait for the same one run together, grouped by length;
    on a CPU, where that only adds padding, one after the other.

    Attributes:
        heard: seconds of sound heard so far.
        busy: seconds that threads have spent on it.
    """

    def __init__(self, models: Models, *, size: int, threads: int) -> None:
        """Start the threads.

        Args:
            models: to borrow from.
            size: recordings that may be held, from `reserve` on.
            threads: recordings heard at the same time.
        """
        self._models, self._size = models, size
        self._held = 0
        self._waiting: deque[_Waiting] = deque()
        self._condition = threading.Condition()
        self._closed = False
        self._pace = 0.5  # seconds that one recording has taken lately
        self.heard, self.busy = 0.0, 0.0
        self._threads = [
            threading.Thread(target=self._work, name=f"hearer-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def length(self) -> int:
        """Recordings held: being decoded, waiting, or being heard."""
        return self._held

    def check(self) -> None:
        """Refuse at once what would be refused later.

        Raises:
            Problem: 503, the queue is full or the service stops.
        """
        if self._closed:
            raise Problem(503, "stopping", "the service is stopping", headers={"Retry-After": "5"})
        if self._held >= self._size:
            raise busy(self._held * self._pace / max(1, len(self._threads)))

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

    async def hear(self, choice: Choice, request: Request) -> Recognition:
        """Wait for a model and what it hears. Cancelled, it gives up its turn.

        Raises:
            EmovoxError: as `Recognizer` and `Recognizer.recognize`.
        """
        loop = asyncio.get_running_loop()
        seconds = request.recording.duration if isinstance(request.recording, Decoded) else 0.0
        waiting = _Waiting(choice, request, seconds, loop.create_future(), loop)
        with self._condition:
            self._waiting.append(waiting)
            self._condition.notify()
        return await waiting.future

    def close(self) -> None:
        """Hear no more; what is being heard is finished first."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return
                first = self._waiting.popleft()
            if not first.future.cancelled():
                self._hear(first)

    def _hear(self, first: _Waiting) -> None:
        batch = [first]
        started = time.monotonic()
        try:
            with self._models.borrow(first.choice) as recognizer:
                if recognizer.batches:
                    batch += self._companions(first)
                    batch.sort(key=lambda waiting: waiting.seconds)
                results = recognizer.recognize_together([waiting.request for waiting in batch])
            for waiting, result in zip(batch, results, strict=True):
                _answer(waiting, result)
        except Exception as error:
            for waiting in batch:
                _answer(waiting, error)
        spent = time.monotonic() - started
        self.busy += spent
        self.heard += sum(waiting.seconds for waiting in batch)
        self._pace = 0.9 * self._pace + 0.1 * spent / len(batch)

    def _companions(self, first: _Waiting) -> list[_Waiting]:
        """Others that wait for the same model."""
        with self._condition:
            same = [waiting for waiting in self._waiting if waiting.choice == first.choice][: TOGETHER - 1]
            for waiting in same:
                self._waiting.remove(waiting)
        return [waiting for waiting in same if not waiting.future.cancelled()]


def _answer(waiting: _Waiting, result: "Recognition | EmovoxError | Exception") -> None:
    def settle() -> None:
        if waiting.future.done():  # whoever asked has gone
            return
        if isinstance(result, BaseException):
            waiting.future.set_exception(result)
        else:
            waiting.future.set_result(result)

    waiting.loop.call_soon_threadsafe(settle)
