"""The hearer: the actor that holds models and works through what waits for them.

The service, every worker of a batch and every actor on a cluster hear through this one class.
"""

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from emovox.audio.decoded import Decoded
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Request
from emovox.inference.recognition import Recognition
from emovox.inference.splitting import Piece
from emovox.models.runtime.engine import Output

_MEMORY = 0.9  # what the pace keeps of what it was, when a recording is added
TOGETHER = 32  # recordings that go to a model at once, at most, where it runs batches


@dataclass(eq=False)
class _Waiting:
    choice: ModelChoice
    work: Request | Piece
    seconds: float  # of sound
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Pace(NamedTuple):
    """How long recordings take.

    Of estimates by the one and by the other the lower is never too high, where each recording takes some time and
    each second of it some more: whatever lengths were measured, and now wait.
    """

    of_second: float
    """Seconds for a second of sound."""
    of_recording: float
    """Seconds for a recording."""


class Scheduler:
    """Recordings wait here for a model, first come first served; a few threads work through them.

    Where the model runs batches (on a GPU), recordings that wait for the same one run together, grouped by length;
    on a CPU, where that only adds padding, one after the other.

    Attributes:
        models: to borrow from.
        heard: seconds of sound heard so far.
        busy: seconds that threads have spent on it.
        pace: what a thread has taken lately, once the model was there.
    """

    def __init__(self, models: ModelPool, *, threads: int) -> None:
        """Start the threads.

        Args:
            models: to borrow from.
            threads: recordings heard at the same time.
        """
        self.models = models
        self._waiting: deque[_Waiting] = deque()
        self._condition = threading.Condition()
        self.closed = False
        self.heard, self.busy = 0.0, 0.0
        self.pace = Pace(0.1, 0.5)  # until it is known
        self._lately = np.zeros(3)  # recordings, seconds of sound, and of work
        self.threads = [
            threading.Thread(target=self._work, name=f"hearer-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    async def hear(self, choice: ModelChoice, request: Request) -> Recognition:
        """Wait for a model and what it hears. Cancelled, it gives up its turn.

        Raises:
            EmovoxError: as `Recognizer` and `Recognizer.recognize`.
        """
        seconds = request.recording.duration if isinstance(request.recording, Decoded) else 0.0
        found: Recognition = await self._wait(choice, request, seconds)
        return found

    async def infer_piece(self, choice: ModelChoice, piece: Piece) -> list[Output]:
        """The same for a piece of a split recording; gives what `splitting.join` wants.

        Raises:
            ModelError: as `Recognizer` and `Recognizer.hear_piece`.
        """
        found: list[Output] = await self._wait(choice, piece, piece.seconds)
        return found

    def close(self) -> None:
        """Hear no more; what is being heard is finished first."""
        with self._condition:
            self.closed = True
            self._waiting.clear()
            self._condition.notify_all()
        for thread in self.threads:
            thread.join()

    async def _wait(self, choice: ModelChoice, work: Request | Piece, seconds: float) -> Any:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(choice, work, seconds, loop.create_future(), loop)
        with self._condition:
            self._waiting.append(waiting)
            self._condition.notify()
        return await waiting.future

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self.closed:
                    self._condition.wait()
                if self.closed:
                    return
                first = self._waiting.popleft()
            if not first.future.cancelled():
                self._hear(first)

    def _hear(self, first: _Waiting) -> None:
        batch = [first]
        started = begun = time.monotonic()
        try:
            results: list[Any]
            with self.models.borrow(first.choice) as recognizer:
                begun = time.monotonic()
                if isinstance(first.work, Piece):
                    results = [recognizer.infer_piece(first.work)]
                else:
                    if recognizer.batches:
                        batch += self._companions(first)
                        batch.sort(key=lambda waiting: waiting.seconds)
                    requests = [waiting.work for waiting in batch if isinstance(waiting.work, Request)]
                    results = list(recognizer.recognize_together(requests))
            for waiting, result in zip(batch, results, strict=True):
                _answer(waiting, result)
            self._measure(len(batch), sum(waiting.seconds for waiting in batch), time.monotonic() - begun)
        except Exception as error:
            for waiting in batch:
                _answer(waiting, error)
        spent = time.monotonic() - started
        self.busy += spent
        self.heard += sum(waiting.seconds for waiting in batch)

    def _measure(self, count: int, seconds: float, spent: float) -> None:
        """Count recordings of so many seconds in all into the pace, and what they took."""
        with self._condition:
            self._lately = _MEMORY**count * self._lately + (count, seconds, spent)
            recordings, sound, work = self._lately.tolist()
            self.pace = Pace(work / max(sound, 1e-3), work / recordings)

    def _companions(self, first: _Waiting) -> list[_Waiting]:
        """Other recordings that wait for the same model."""
        with self._condition:
            same = [
                waiting
                for waiting in self._waiting
                if waiting.choice == first.choice and isinstance(waiting.work, Request)
            ][: TOGETHER - 1]
            for waiting in same:
                self._waiting.remove(waiting)
        return [waiting for waiting in same if not waiting.future.cancelled()]


def _answer(waiting: _Waiting, result: Any) -> None:
    def settle() -> None:
        if waiting.future.done():  # whoever asked has gone
            return
        if isinstance(result, BaseException):
            waiting.future.set_exception(result)
        else:
            waiting.future.set_result(result)

    waiting.loop.call_soon_threadsafe(settle)
