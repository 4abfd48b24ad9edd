"""The worker: decodes and recognises recordings, in a process of its own."""

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from emovox.archive.record import ArchiveRecord
from emovox.audio.decoded import Decoded
from emovox.audio.files import is_remote
from emovox.batch.first_pass import state_row
from emovox.batch.reader import Claim, Reader, Reading, options_of
from emovox.batch.reader import reason as why
from emovox.batch.tables import to_row
from emovox.batch.tasks import Answer, Done, Failed, Inferred, Item, Outlined, Plan, Ready, Share, Task
from emovox.errors import DecoderError, OutputsError
from emovox.exports import Language
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Request
from emovox.inference.recognizer import Recognizer
from emovox.inference.scheduler import Scheduler
from emovox.inference.state import RunState
from emovox.outputs import Outputs
from emovox.saving import Saving

MADE = ".batch"
"""Marks the outputs directories that a batch made; it removes no others."""


class Worker:
    """A reader, which works ahead, and a model."""

    def __init__(self, plan: Plan, scratch: Path, claim: Claim, *, decoders: int) -> None:
        """Prepare; `start` loads the model.

        Args:
            plan: what is wanted.
            scratch: where waveforms go.
            claim: is called before a content is decoded.
            decoders: decoding processes.
        """
        self._plan, self._choice = plan, ModelChoice(plan.model, plan.precision)
        self._reader = Reader(plan, scratch, claim, decoders=decoders)
        self._models = ModelPool(most=1, idle=float("inf"), load=self._load)
        self._scheduler: Scheduler | None = None  # once it is known how many threads it needs
        self._saving = Saving(
            None if plan.outputs is None else Outputs(plan.outputs),
            plan.formats,
            cast("Language", plan.labels),
            marks=(MADE,),
            embeddings=plan.options.embedding,
            sound=plan.sound,
            archive="later" if plan.archive else None,
        )
        self._answered = 0.0

    async def start(self) -> Ready:
        """Load the model and start the decoders.

        Raises:
            EmovoxError: as `Recognizer`, `Recognizer.classes` and `Reader.start`.
        """
        ready = await asyncio.to_thread(self._ready)
        await self._reader.start(ready.metadata)
        return ready

    async def close(self) -> None:
        """End the decoders and unload the model."""
        await self._reader.close()
        if self._scheduler is not None:
            await asyncio.to_thread(self._scheduler.close)

    async def answer(self, task: Task) -> Answer:
        """Do a task. A recording that fails is an answer, not an error.

        Raises:
            OutputsError: the disk is full, for example; the next recording would fare no better.
            DecoderError: no decoding process can be started.
        """
        started = time.monotonic()
        sha256 = None
        assert self._scheduler is not None  # noqa: S101  nothing is given before `start`
        try:
            if isinstance(task, Share):
                outputs = await self._scheduler.infer_piece(self._choice, task.piece)
                return Inferred(task, tuple(outputs), self._spent(started))
            reading = await self._reader.read(task)
            if not isinstance(reading, Reading):
                return reading
            sha256 = reading.sha256
            if reading.split:
                parts = tuple(part for part in reading.parts if not isinstance(part, Decoded))
                return Outlined(task, parts, tuple(map(str, reading.files)), self._spent(started))
            done = await self._recognize(reading, task)
            return replace(done, spent=self._spent(started))
        except (OutputsError, DecoderError):
            raise
        except Exception as error:
            return Failed(task.path, why(error), sha256)

    async def _recognize(self, reading: Reading, item: Item) -> Done:
        """Recognise a recording that was read in one piece, and delete its waveforms."""
        link = self._link(item)
        rows: list[dict[str, Any]] = []
        records: list[ArchiveRecord] = []
        states: list[RunState] = []
        problems: list[str] = []
        of_many = self._plan.options.of_many
        assert self._scheduler is not None  # noqa: S101  as above
        try:
            for part in reading.parts:
                assert isinstance(part, Decoded)  # noqa: S101  nothing is in pieces
                options = options_of(self._plan.options, item, part)
                with self._saving.begin(link=link) as save:
                    request = Request(
                        part,
                        save.options(options),
                        sink=save.sink,
                        embedding_sink=None
                        if options.embedding
                        else save.embedding_sink,  # the rows have them, too
                        state_sink=states.append if of_many else None,
                    )
                    recognition = await self._scheduler.recognize(self._choice, request)
                    recognition = await asyncio.to_thread(save.commit, recognition)
                    record = None if of_many else await asyncio.to_thread(save.record)
                outputs = None if save.directory is None else save.directory.name
                problems += [] if save.problem is None else [str(save.problem)]
                if of_many:
                    rows.append(state_row(reading.path, states[-1], outputs=outputs, link=link))
                else:
                    rows.append(to_row(reading.path, recognition, outputs))
                records += [] if record is None else [record]
        finally:
            reading.clear()
        return Done(reading.path, tuple(rows), reading.seconds, reading.spent, tuple(records), "; ".join(problems))

    def _link(self, item: Item) -> str | None:
        """Where a recording is, for the archive; bytes in a table have no address of their own."""
        if item.row is not None:
            return None
        path = self._reader.locate(item.path)
        return path if is_remote(path) else os.path.abspath(path)  # noqa: PTH100  links stay as they are

    def _ready(self) -> Ready:
        with self._models.borrow(self._choice) as recognizer:
            self._scheduler = Scheduler(self._models, threads=recognizer.at_once)
            options = self._plan.options
            return Ready(
                recognizer.model,
                recognizer.metadata,
                recognizer.functions,
                recognizer.classes(options.emotions),
                recognizer.batches,
                None if options.baseline is None else recognizer.shifting(options),
            )

    def _load(self, choice: ModelChoice) -> Recognizer:
        plan = self._plan
        return Recognizer(
            choice.model,
            precision=choice.precision,
            device=plan.device,
            mapping=dict(plan.mapping),
            policy=plan.policy,
        )

    def _spent(self, started: float) -> float:
        """Seconds that this worker spent on an answer, without those that it waited behind another."""
        now = time.monotonic()
        spent, self._answered = now - max(started, self._answered), now
        return spent
