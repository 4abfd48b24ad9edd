"""The engine: feeds tasks to workers, and makes sure that a worker that dies costs nothing but itself."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emovox.batch.tasks import Answer, Begun, Failed, Ready, Task
from emovox.errors import ModelError

AHEAD = 8  # tasks that a worker on a CPU holds: one in inference, the others decoded or waiting
AHEAD_BATCHES = 96  # for a worker that runs batches
STILLBORN = 3  # times that each worker may die before any is ready
LOOK = 0.2  # seconds between looks for new tasks
DIED = "the worker died on it twice: it is damaged, or there is too little memory"

Take = Callable[[], Task | None]
"""Gives the next task; None: there is none at the moment."""


@dataclass(eq=False)
class Member:
    """A worker, as the engine sees it.

    Attributes:
        worker: the process or actor.
        ready: whether its model is loaded.
        tasks: those it was given, by number.
        begun: the numbers of those it has begun.
        alone: whether it has a single task, tried in isolation.
    """

    worker: Any
    ready: bool = False
    tasks: dict[int, Task] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    alone: bool = False


class Died(Exception):  # noqa: N818  news rather than an error of the program
    """A worker died."""


class BatchEngine(ABC):
    """Workers and their tasks. Subclasses decide what a worker is.

    Attributes:
        workers: how many.
        trouble: what the engine is waiting for, in words; "": nothing.
    """

    workers: int
    trouble = ""

    def __init__(self) -> None:
        self._members: list[Member] = []
        self._again: deque[Task] = deque()
        self._tried: set[Task] = set()
        self._number = 0
        self._depth = AHEAD
        self._stillborn = 0

    @abstractmethod
    def start(self) -> Ready:
        """Start the workers and return what the first one reports.

        Raises:
            EmovoxError: as `Worker.start`.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

    def know(self, contents: Iterable[list[str]]) -> None:  # noqa: B027  most engines have nothing to do
        """Take the checksums of what earlier runs recognised, where workers can't read the ledger."""

    def run(self, take: Take, more: Callable[[], bool]) -> Iterator[Answer | None]:
        """Work through tasks.

        Args:
            take: gives the next one.
            more: whether there may be one later.

        Yields:
            Answers as they come, one for each task; None now and then when nothing has happened.

        Raises:
            ModelError: workers keep dying while they load the model.
        """
        while True:
            for member in self._members:
                if member.ready:
                    self._feed(member, take)
            if not any(member.tasks for member in self._members) and not self._again and not more():
                return
            happened = False
            for member, number, answer in self._wait(LOOK):
                happened = True
                if isinstance(answer, Died):
                    yield from self._lost(member)
                elif isinstance(answer, Ready):
                    member.ready = True
                    self._stillborn = 0
                elif isinstance(answer, Begun):
                    member.begun.add(number)
                elif (task := member.tasks.pop(number, None)) is not None:
                    self._tried.discard(task)
                    member.begun.discard(number)
                    member.alone = False
                    yield answer
            if not happened:
                yield None

    @abstractmethod
    def _spawn(self, index: int) -> Member:
        """Start a worker, which will report that it is ready."""

    @abstractmethod
    def _give(self, member: Member, number: int, task: Task) -> None:
        """Send a task; `_wait` notices if the worker is dead."""

    @abstractmethod
    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        """The reports of workers, within so many seconds: worker, number of the task, answer.

        That a task was begun is reported before the death of its worker.
        """

    def _feed(self, member: Member, take: Take) -> None:
        if member.alone:
            return
        if self._again and not member.tasks:
            member.alone = True
            self._send(member, self._again.popleft())
            return
        # A worker that may have to try a task in isolation finishes its others first.
        while len(member.tasks) < self._depth and not self._again and (task := take()) is not None:
            self._send(member, task)

    def _send(self, member: Member, task: Task) -> None:
        self._number += 1
        member.tasks[self._number] = task
        self._give(member, self._number, task)

    def _lost(self, member: Member) -> Iterator[Answer]:
        """A worker died: another takes its place, and its tasks are tried once more, each in isolation.

        A task that it was given but hadn't begun doesn't count as tried.
        """
        for number, task in member.tasks.items():
            if number not in member.begun:
                self._again.append(task)
            elif member.alone and task in self._tried:
                self._tried.discard(task)
                yield Failed(task.path, DIED)
            else:
                self._tried.add(task)
                self._again.append(task)
        self._stillborn += not member.ready
        index = self._members.index(member)
        if self._stillborn > STILLBORN * len(self._members) and not any(other.ready for other in self._members):
            raise ModelError(
                "the workers die while loading the model: is there enough memory for so many? (--workers)"
            )
        self._members[index] = self._spawn(index)
