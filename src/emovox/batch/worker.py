"""The worker: decodes and hears recordings, in a process of its own on this machine."""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from emovox import private
from emovox.audio.decoded import Decoded
from emovox.batch.reader import Claim, Reader, Reading
from emovox.batch.reader import reason as why
from emovox.batch.tables import to_row
from emovox.batch.tasks import Answer, Done, Failed, Inferred, Plan, Ready, Share, Surveyed, Task
from emovox.errors import DecoderError, OutputsError
from emovox.exports import Language
from emovox.exports import write as write_exports
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Request
from emovox.inference.recognizer import Recognizer
from emovox.inference.scheduler import Scheduler
from emovox.outputs import Outputs

MADE = ".batch"
"""In each outputs directory that a batch made: it removes no others."""


class Listener:
    """A hearer for one model: what hears in a worker of this machine, and in an actor of a cluster."""

    def __init__(self, plan: Plan) -> None:
        """Prepare; `start` loads the model."""
        self._plan, self._choice = plan, ModelChoice(plan.model, plan.precision)
        self._scheduler = Scheduler(ModelPool(most=1, idle=float("inf"), load=self._load), threads=1)
        self._outputs = None if plan.outputs is None else Outputs(plan.outputs)

    def start(self) -> Ready:
        """Load the model.

        Raises:
            EmovoxError: as `Recognizer` and `Recognizer.classes`.
        """
        with self._scheduler.models.borrow(self._choice) as recognizer:
            classes = recognizer.classes(self._plan.options.emotions)
            return Ready(recognizer.model, recognizer.metadata, classes, recognizer.batches)

    def close(self) -> None:
        """Hear no more."""
        self._scheduler.close()

    async def hear(self, reading: Reading) -> Done:
        """Hear what was read of a recording, none of it to be shared out; its waveforms go.

        Raises:
            EmovoxError: as `Recognizer.recognize`.
        """
        try:
            rows = [await self._row(part, reading.path) for part in reading.parts if isinstance(part, Decoded)]
        finally:
            reading.clear()
        return Done(reading.path, tuple(rows), reading.seconds, reading.spent)

    async def infer_share(self, share: Share) -> Inferred:
        """Hear a piece of a recording.

        Raises:
            ModelError: the model failed.
        """
        started = time.monotonic()
        outputs = await self._scheduler.infer_piece(self._choice, share.piece)
        return Inferred(share, tuple(outputs), time.monotonic() - started)

    def _load(self, choice: ModelChoice) -> Recognizer:
        return Recognizer(choice.model, precision=choice.precision, device=self._plan.device)

    async def _row(self, decoded: Decoded, path: str) -> dict[str, Any]:
        options = replace(self._plan.options, channel=decoded.asked_channel)
        with ExitStack() as stack:
            draft = None if self._outputs is None else stack.enter_context(self._outputs.draft())
            request = Request(decoded, options, sink=None if draft is None else draft.write)
            recognition = await self._scheduler.hear(self._choice, request)
            if draft is None:
                return to_row(path, recognition)
            directory = await asyncio.to_thread(draft.complete, recognition)
            if formats := self._plan.formats:
                language = cast("Language", self._plan.labels)
                await asyncio.to_thread(write_exports, recognition, directory, formats, language=language)
            private.touch(directory / MADE)
            published = await asyncio.to_thread(draft.publish, recognition)
            return to_row(path, recognition, published.name)


class Worker:
    """A reader, which works ahead, and a listener."""

    def __init__(self, plan: Plan, scratch: Path, claim: Claim, *, decoders: int) -> None:
        """Prepare; `start` loads the model.

        Args:
            plan: what is wanted.
            scratch: where waveforms go.
            claim: is asked before a content is decoded.
            decoders: decoding processes.
        """
        self._reader = Reader(plan, scratch, claim, decoders=decoders)
        self._listener = Listener(plan)
        self._answered = 0.0

    async def start(self) -> Ready:
        """Load the model and start the decoders.

        Raises:
            EmovoxError: as `Listener.start` and `Reader.start`.
        """
        ready = await asyncio.to_thread(self._listener.start)
        await self._reader.start(ready.metadata)
        return ready

    async def close(self) -> None:
        """End the decoders and hear no more."""
        await self._reader.close()
        await asyncio.to_thread(self._listener.close)

    async def answer(self, task: Task) -> Answer:
        """Do what is asked. What goes wrong with a recording is an answer.

        Raises:
            OutputsError: the disk is full, for example; the next recording would fare no better.
            DecoderError: no decoding process can be started.
        """
        started = time.monotonic()
        sha256 = None
        try:
            if isinstance(task, Share):
                heard = await self._listener.infer_share(task)
                return replace(heard, spent=self._spent(started))
            reading = await self._reader.read(task)
            if not isinstance(reading, Reading):
                return reading
            sha256 = reading.sha256
            if reading.split:
                parts = tuple(part for part in reading.parts if not isinstance(part, Decoded))
                return Surveyed(task, parts, tuple(map(str, reading.files)), self._spent(started))
            done = await self._listener.hear(reading)
            return replace(done, spent=self._spent(started))
        except (OutputsError, DecoderError):
            raise
        except Exception as error:
            return Failed(task.path, why(error), sha256)

    def _spent(self, started: float) -> float:
        """Seconds that an answer took this worker: not those for which it waited behind the one before."""
        now = time.monotonic()
        spent, self._answered = now - max(started, self._answered), now
        return spent
