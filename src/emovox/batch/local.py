"""The engine of one machine: a process for each core or GPU, each with a model; no cluster software."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from emovox import interrupts
from emovox.audio.isolation.parent import follow
from emovox.batch.engine import AHEAD, AHEAD_BATCHES, BatchEngine, Died, Member
from emovox.batch.ledger import Ledger
from emovox.batch.tasks import Answer, Begun, Plan, Ready, Task
from emovox.batch.worker import Worker
from emovox.errors import EmovoxError, ModelError
from emovox.models.runtime.engine import usable_cores
from emovox.silence import import_onnxruntime


class LocalEngine(BatchEngine):
    """Workers on this machine."""

    def __init__(self, plan: Plan, *, workers: int = 0, threads: int = 1) -> None:
        """Prepare; `start` starts the workers.

        Args:
            plan: for the workers.
            workers: how many; 0: one for each GPU that ONNX Runtime can use, or else for each usable core.
            threads: of each model on a CPU.
        """
        super().__init__()
        self._plan, self._threads = plan, threads
        self._gpus = _gpus(plan)
        self.workers = workers or self._gpus or max(1, usable_cores() // threads)
        self._decoders = max(1, usable_cores() // self.workers) if self._gpus else 1
        self._context = multiprocessing.get_context("spawn")

    def start(self) -> Ready:
        """Start one worker and wait for it, then start the others: a model is converted only once.

        Raises:
            EmovoxError: as `Worker.start`.
        """
        first = self._spawn(0)
        self._members.append(first)
        try:
            ready = first.worker.connection.recv()
        except (EOFError, OSError):
            raise ModelError("the worker died while loading the model: is there enough memory?") from None
        if isinstance(ready, EmovoxError):
            raise ready
        assert isinstance(ready, Ready)  # noqa: S101  nothing else comes first
        first.ready = True
        self._depth = AHEAD_BATCHES if ready.batches else AHEAD
        self._members += [self._spawn(index) for index in range(1, self.workers)]
        return ready

    def close(self) -> None:
        """End the workers."""
        for member in self._members:
            member.worker.connection.close()
        for member in self._members:
            member.worker.end(5 if member.ready else 0)  # one still loading its model has nothing to finish
        self._members.clear()

    def _spawn(self, index: int) -> Member:
        gpu = index % self._gpus if self._gpus else None
        return Member(_Process(self._context, (self._plan, self._threads, self._decoders, gpu)))

    def _give(self, member: Member, number: int, task: Task) -> None:
        try:
            member.worker.connection.send((number, task))
        except OSError:  # it has died, which is noticed where answers are read
            return

    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        ready = wait([member.worker.connection for member in self._members], timeout=patience)
        for member in [member for member in self._members if member.worker.connection in ready]:
            try:
                message = member.worker.connection.recv()
            except (EOFError, OSError):
                member.worker.end(0)
                yield member, 0, Died()
                continue
            if isinstance(message, EmovoxError):  # one that concerns all recordings
                raise message
            number, answer = (0, message) if isinstance(message, Ready) else message
            yield member, number, answer


class _Process:
    def __init__(self, context: Any, arguments: tuple[Any, ...]) -> None:
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, *arguments))
        with interrupts.kept_from_children():  # interrupts from the terminal are for the command to handle
            self._process.start()
        theirs.close()

    def end(self, patience: float) -> None:
        """Wait for it to end, then kill it."""
        self.connection.close()
        self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _gpus(plan: Plan) -> int:
    """GPUs that ONNX Runtime can use here."""
    if plan.device == "cpu" or "CUDAExecutionProvider" not in import_onnxruntime().get_available_providers():
        return 0
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([name for name in visible.split(",") if name.strip()])
    if (program := shutil.which("nvidia-smi")) is None:
        return 1
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return max(1, len(listed.splitlines()))


def _main(connection: Connection, plan: Plan, threads: int, decoders: int, gpu: int | None) -> None:
    """The worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it reaches this process all the same, as on Windows
    threading.Thread(target=follow, args=(os.getppid(),), daemon=True).start()
    os.environ["EMOVOX_THREADS"] = str(threads)
    if gpu is not None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu] if visible else str(gpu)
    asyncio.run(_serve(connection, plan, decoders))


async def _serve(connection: Connection, plan: Plan, decoders: int) -> None:
    ledger = Ledger(plan.ledger)
    worker = Worker(plan, Path(plan.scratch), ledger.claim, decoders=decoders)
    running: set[asyncio.Task[None]] = set()

    def say(something: object) -> None:
        with suppress(OSError):  # the parent is gone, which this process will notice
            connection.send(something)

    async def answer(number: int, task: Task) -> None:
        say((number, Begun()))
        try:
            say((number, await worker.answer(task)))
        except EmovoxError as error:
            say(error)

    try:
        try:
            say(await worker.start())
        except EmovoxError as error:
            say(error)
            return
        while True:
            try:
                number, task = await asyncio.to_thread(connection.recv)
            except (EOFError, OSError):
                return
            work = asyncio.create_task(answer(number, task))
            running.add(work)
            work.add_done_callback(running.discard)
    finally:
        await worker.close()
        ledger.close()
