"""Batches to test with: an engine in this process, that can be made to break off; tables as plain data."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emovox.batch.config import BatchConfig
from emovox.batch.engine import BatchEngine, Died, Member
from emovox.batch.ledger import Ledger
from emovox.batch.run import Batch
from emovox.batch.status import Status
from emovox.batch.tasks import Answer, Begun, Plan, Ready, Task
from emovox.batch.worker import Worker

Row = dict[str, Any]


class StopError(Exception):
    """The run is broken off."""


class Inline(BatchEngine):
    """One worker in this process. It breaks off, or a worker dies, where it is told to."""

    def __init__(
        self, plan: Plan, *, stop: int | None = None, dies: Callable[[Task], bool] = lambda _: False
    ) -> None:
        super().__init__()
        self.workers = 1
        self._plan, self._stop, self._dies = plan, stop, dies
        self._loop = asyncio.new_event_loop()
        self.answered: list[Task] = []

    def start(self) -> Ready:
        self._ledger = Ledger(self._plan.ledger)
        self._worker = Worker(self._plan, Path(self._plan.scratch), self._ledger.claim, decoders=1)
        self._members.append(self._spawn(0))
        return self._loop.run_until_complete(self._worker.start())

    def close(self) -> None:
        self._loop.run_until_complete(self._worker.close())
        self._loop.close()
        self._ledger.close()

    def _spawn(self, index: int) -> Member:
        return Member(index, ready=True)

    def _give(self, member: Member, number: int, task: Task) -> None:
        pass

    def _wait(self, patience: float) -> Iterator[tuple[Member, int, Answer | Begun | Ready | Died]]:
        (member,) = self._members
        for number, task in list(member.tasks.items())[:1]:
            if self._stop is not None and len(self.answered) >= self._stop:
                raise StopError
            yield member, number, Begun()
            if self._dies(task):
                yield member, 0, Died()
                return
            self.answered.append(task)
            yield member, number, self._loop.run_until_complete(self._worker.answer(task))


def run(wish: BatchConfig, **options: Any) -> tuple[Status, Inline]:
    """One run by an engine in this process."""
    engines: list[Inline] = []

    def make(plan: Plan) -> Inline:
        engines.append(Inline(plan, **options))
        return engines[0]

    return Batch(wish, make, lambda _: None).run(), engines[0]


def table(out: Path, name: str = "recognitions") -> list[Row]:
    """All rows of a table, by path."""
    rows = [row for shard in sorted((out / name).glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]
    return sorted(rows, key=lambda row: (row["path"], row.get("channel") or 0))
