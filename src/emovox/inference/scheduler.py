"""The scheduler: threads that batch the recordings waiting for models, and run them.

The service, every worker of a batch and every actor on a cluster run inference through this class.
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

_MEMORY = 0.9  # weight of the earlier pace, when a recording is added
AT_ONCE = 32  # recordings that a model gets at once, if it runs batches


@dataclass(eq=False)
class _Call:
    choice: ModelChoice
    work: Request | Piece
    seconds: float  # of sound
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Pace(NamedTuple):
    """How long recordings take.

    If each recording takes a fixed time and each second of it some more, then the lower of the two estimates is
    never too high, whatever lengths were measured before and are waiting now.
    """

    of_second: float
    """Seconds for a second of sound."""
    of_recording: float
    """Seconds for a recording."""


class Scheduler:
    """A queue of recordings waiting for models, first come, first served, and a few threads that run them.

    If a model runs batches (on a GPU), the recordings waiting for it run together, sorted by length. On a CPU that
    only adds padding, so they run one by one.

    Attributes:
        models: to borrow from.
        sound_seconds: of sound that models have had so far.
        busy_seconds: that threads have spent on it.
        pace: of a thread lately, without the loading of models.
    """

    def __init__(self, models: ModelPool, *, threads: int) -> None:
        """Start the threads.

        Args:
            models: to borrow from.
            threads: how many recordings, or batches, run at the same time.
        """
        self.models = models
        self._queue: deque[_Call] = deque()
        self._condition = threading.Condition()
        self.closed = False
        self.sound_seconds, self.busy_seconds = 0.0, 0.0
        self.pace = Pace(0.1, 0.5)  # a guess, until it is measured
        self._totals = np.zeros(3)  # recordings, seconds of sound, and of work, fading with age
        self.threads = [
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    async def recognize(self, choice: ModelChoice, request: Request) -> Recognition:
        """Queue a recording, and wait for its recognition. If cancelled, it leaves the queue.

        Raises:
            EmovoxError: as `Recognizer` and `Recognizer.recognize`.
        """
        seconds = request.recording.duration if isinstance(request.recording, Decoded) else 0.0
        recognition: Recognition = await self._call(choice, request, seconds)
        return recognition

    async def infer_piece(self, choice: ModelChoice, piece: Piece) -> list[Output]:
        """The same for a piece of a split recording; returns outputs for `splitting.join`.

        Raises:
            ModelError: as `Recognizer` and `Recognizer.infer_piece`.
        """
        outputs: list[Output] = await self._call(choice, piece, piece.seconds)
        return outputs

    def close(self) -> None:
        """Start nothing more, and wait for what is running."""
        with self._condition:
            self.closed = True
            self._queue.clear()
            self._condition.notify_all()
        for thread in self.threads:
            thread.join()

    async def _call(self, choice: ModelChoice, work: Request | Piece, seconds: float) -> Any:
        loop = asyncio.get_running_loop()
        call = _Call(choice, work, seconds, loop.create_future(), loop)
        with self._condition:
            self._queue.append(call)
            self._condition.notify()
        return await call.future

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._queue and not self.closed:
                    self._condition.wait()
                if self.closed:
                    return
                first = self._queue.popleft()
            if not first.future.cancelled():
                self._infer(first)

    def _infer(self, first: _Call) -> None:
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
                        batch.sort(key=lambda call: call.seconds)
                    requests = [call.work for call in batch if isinstance(call.work, Request)]
                    results = list(recognizer.recognize_together(requests))
            for call, result in zip(batch, results, strict=True):
                _answer(call, result)
            self._measure(len(batch), sum(call.seconds for call in batch), time.monotonic() - begun)
        except Exception as error:
            for call in batch:
                _answer(call, error)
        self.busy_seconds += time.monotonic() - started
        self.sound_seconds += sum(call.seconds for call in batch)

    def _measure(self, count: int, seconds: float, work: float) -> None:
        """Add recordings to the pace, with their seconds of sound and of work."""
        with self._condition:
            self._totals = _MEMORY**count * self._totals + (count, seconds, work)
            recordings, sound, work = self._totals.tolist()
            self.pace = Pace(work / max(sound, 1e-3), work / recordings)

    def _companions(self, first: _Call) -> list[_Call]:
        """Other recordings in the queue for the same model."""
        with self._condition:
            calls = [
                call for call in self._queue if call.choice == first.choice and isinstance(call.work, Request)
            ][: AT_ONCE - 1]
            for call in calls:
                self._queue.remove(call)
        return [call for call in calls if not call.future.cancelled()]


def _answer(call: _Call, result: Any) -> None:
    def settle() -> None:
        if call.future.done():  # the caller has gone
            return
        if isinstance(result, BaseException):
            call.future.set_exception(result)
        else:
            call.future.set_result(result)

    call.loop.call_soon_threadsafe(settle)
