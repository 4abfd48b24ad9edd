"""The engine of one machine: a process for each core or GPU, each with a model; no cluster software."""

import asyncio
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from emovox.audio.decoding_worker import follow
from emovox.batch.ledger import Ledger
from emovox.batch.tasks import Answer, Failed, Plan, Ready, Task
from emovox.batch.worker import Worker
from emovox.errors import EmovoxError, ModelError

AHEAD = 3  # tasks that a worker on a CPU holds: one is heard, one decoded, one waits
AHEAD_BATCHES = 96  # where it runs batches
LOOK = 0.2  # seconds between looks for something new to do
DIED = "the process that heard it died twice: it is damaged, or the memory is too small"

Take = Callable[[], Task | None]
"""The next task; None: there is none now."""


@dataclass(eq=False)
class _Process:
    process: Any
    connection: Connection
    tasks: dict[int, Task] = field(default_factory=dict)
    alone: bool = False  # whether what it has is tried in isolation


class LocalEngine:
    """Workers on this machine."""

    def __init__(self, plan: Plan, *, workers: int = 0, threads: int = 1) -> None:
        """Prepare; `start` starts.

        Args:
            plan: for the workers.
            workers: how many; 0: one for each GPU where ONNX Runtime has one, else for each usable core.
            threads: of each model on a CPU.
        """
        self._plan, self._threads = plan, threads
        gpus = _gpus(plan)
        self.workers = workers or gpus or max(1, usable_cores() // threads)
        self._gpus = gpus
        self._decoders = max(1, usable_cores() // self.workers) if gpus else 1
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[_Process] = []
        self._again: deque[Task] = deque()
        self._tried: set[str] = set()
        self._number = 0
        self._depth = AHEAD

    def start(self) -> Ready:
        """Start one worker and wait for it, then start the others: what is converted once is converted once.

        Raises:
            EmovoxError: as `Worker.start`.
        """
        first = self._spawn(0)
        self._processes.append(first)
        ready = _ready(first)
        self._depth = AHEAD_BATCHES if ready.batches else AHEAD
        self._processes += [self._spawn(number) for number in range(1, self.workers)]
        for process in self._processes[1:]:
            _ready(process)
        return ready

    def run(self, take: Take, idle: Callable[[], bool]) -> Iterator[Answer | None]:
        """Work through tasks.

        Args:
            take: gives the next one.
            idle: whether there may be more later.

        Yields:
            Answers as they come, one for each task; None now and then, when nothing has happened.
        """
        while True:
            for process in self._processes:
                self._feed(process, take)
            if not any(process.tasks for process in self._processes) and not self._again and not idle():
                return
            ready = wait([process.connection for process in self._processes], timeout=LOOK)
            if not ready:
                yield None
            for process in [process for process in self._processes if process.connection in ready]:
                try:
                    number, answer = process.connection.recv()
                except (EOFError, OSError):
                    yield from self._lost(process)
                    continue
                task = process.tasks.pop(number)
                self._tried.discard(task.path)
                process.alone = False
                yield answer

    def close(self) -> None:
        """End the workers."""
        for process in self._processes:
            process.connection.close()
        for process in self._processes:
            process.process.join(5)
            if process.process.is_alive():
                process.process.kill()
                process.process.join()
        self._processes.clear()

    def _feed(self, process: _Process, take: Take) -> None:
        if process.alone:
            return
        if self._again and not process.tasks:
            process.alone = True
            self._send(process, self._again.popleft())
            return
        # A worker that has to try something in isolation first gets empty.
        while len(process.tasks) < self._depth and not self._again and (task := take()) is not None:
            self._send(process, task)

    def _send(self, process: _Process, task: Task) -> None:
        self._number += 1
        process.tasks[self._number] = task
        try:
            process.connection.send((self._number, task))
        except OSError:  # it has died: its end is seen where answers are read
            return

    def _lost(self, process: _Process) -> Iterator[Answer]:
        """A worker died: another one takes its place, and what it had is tried once more, each task by itself."""
        index = self._processes.index(process)
        process.connection.close()
        process.process.join()
        for task in process.tasks.values():
            if process.alone and task.path in self._tried:
                self._tried.discard(task.path)
                yield Failed(task.path, DIED)
            else:
                self._tried.add(task.path)
                self._again.append(task)
        self._processes[index] = self._spawn(index)
        _ready(self._processes[index])

    def _spawn(self, number: int) -> _Process:
        ours, theirs = self._context.Pipe()
        gpu = number % self._gpus if self._gpus else None
        process = self._context.Process(
            target=_main, args=(theirs, self._plan, self._threads, self._decoders, gpu), daemon=False
        )
        process.start()
        theirs.close()
        return _Process(process, ours)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus(plan: Plan) -> int:
    """GPUs that ONNX Runtime can use here."""
    import onnxruntime  # noqa: PLC0415

    if plan.device == "cpu" or "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return 0
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return len([name for name in visible.split(",") if name.strip()])
    if (program := shutil.which("nvidia-smi")) is None:
        return 1
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return max(1, len(listed.splitlines()))


def _ready(process: _Process) -> Ready:
    try:
        answer = process.connection.recv()
    except (EOFError, OSError):
        raise ModelError("a worker process died while it loaded the model: is there enough memory?") from None
    if isinstance(answer, EmovoxError):
        raise answer
    assert isinstance(answer, Ready)  # noqa: S101
    return answer


def _main(connection: Connection, plan: Plan, threads: int, decoders: int, gpu: int | None) -> None:
    """The worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt on the terminal is for the command to handle
    threading.Thread(target=follow, args=(os.getppid(),), daemon=True).start()
    os.environ["EMOVOX_THREADS"] = str(threads)
    if gpu is not None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu] if visible else str(gpu)
    asyncio.run(_serve(connection, plan, decoders))


async def _serve(connection: Connection, plan: Plan, decoders: int) -> None:
    ledger = Ledger(plan.ledger)
    worker = Worker(plan, ledger.claim, decoders=decoders)
    running: set[asyncio.Task[None]] = set()

    async def answer(number: int, task: Task) -> None:
        connection.send((number, await worker.answer(task)))

    try:
        try:
            connection.send(await worker.start())
        except EmovoxError as error:
            connection.send(error)
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
