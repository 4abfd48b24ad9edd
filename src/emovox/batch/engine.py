"""The engine: feeds workers with tasks, and sees to it that one that dies costs nothing but itself."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emovox.batch.tasks import Answer, Begun, Failed, Ready, Task
from emovox.errors import ModelError

AHEAD = 8  # tasks that a worker on a CPU holds: one is heard, the others are decoded or wait for it
AHEAD_BATCHES = 96  # where it runs batches
STILLBORN = 3  # times that each worker may die before it is ready while no other is
LOOK = 0.2  # seconds between looks for something new to do
DIED = "the worker died on it twice: it is damaged, or there is too little memory"

Take = Callable[[], Task | None]
"""The next task; None: there is none now."""


@dataclass(eq=False)
class Member:
    """A worker, as the engine sees it.

    Attributes:
        worker: the process or actor.
        ready: whether its model is loaded.
        tasks: what it has, by number.
        begun: numbers of those that it has begun.
        alone: whether what it has is tried in isolation.
    """

    worker: Any
    ready: bool = False
    tasks: dict[int, Task] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    alone: bool = False


class Died(Exception):  # noqa: N818  it is news, and no error of the program
    """A worker died."""


class BatchEngine(ABC):
    """Workers and what they have in hand. What they are is a subclass's matter.

    Attributes:
        workers: how many.
        trouble: what the engine waits for, in words; "": nothing.
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
        """Start the workers; gives what the first one says.

        Raises:
            EmovoxError: as `Worker.start`.
        """

    @abstractmethod
    def close(self) -> None:
        """End the workers."""

    def know(self, contents: Iterable[list[str]]) -> None:  # noqa: B027  most have nothing to do
        """Take the checksums of what earlier runs heard, where workers can't look into the ledger."""

    def run(self, take: Take, more: Callable[[], bool]) -> Iterator[Answer | None]:
        """Work through tasks.

        Args:
            take: gives the next one.
            more: whether there may be one later.

        Yields:
            Answers as they come, one for each task; None now and then, when nothing has happened.

        Raises:
            ModelError: workers do nothing but die while they load the model.
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
        """Start a worker, which will say that it is ready."""

    @abstractmethod
    def _give(self, member: Member, number: int, task: Task) -> None:
        """Send a task; whether the worker lives is seen by `_wait`."""

    @abstractmethod
    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        """What workers have to say, after so many seconds at most: worker, number of the task, answer.

        That a task was begun comes before the end of its worker.
        """

    def _feed(self, member: Member, take: Take) -> None:
        if member.alone:
            return
        if self._again and not member.tasks:
            member.alone = True
            self._send(member, self._again.popleft())
            return
        # Who may have to try something in isolation gets empty first.
        while len(member.tasks) < self._depth and not self._again and (task := take()) is not None:
            self._send(member, task)

    def _send(self, member: Member, task: Task) -> None:
        self._number += 1
        member.tasks[self._number] = task
        self._give(member, self._number, task)

    def _lost(self, member: Member) -> Iterator[Answer]:
        """A worker died: another one takes its place, and what it had is tried once more, each task by itself.

        It may have been dead when it was given a task: that is no try.
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
