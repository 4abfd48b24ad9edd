"""Jobs: accepted recordings, in the database, so that neither a restart nor a kill loses any.

Several services may share a database. The owner of a job is the service that accepted it and has its upload.
Others may read and cancel it.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from emovox.server.database import jobs, results

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED = ("done", "failed", "cancelled")
LONGEST_WAIT = 600.0  # seconds before a retry, at most
_AT_ONCE = 500  # values in one statement
_PIECE = 2**20  # characters of a result in a row
_LOCK = 0x656D6F76_6A6F6273  # PostgreSQL's advisory lock while jobs are numbered


@dataclass(frozen=True)
class Job:
    """A row. Times are seconds since 1970."""

    id: str
    number: int
    owner: str | None
    batch: str | None
    state: State
    name: str | None
    options: dict[str, Any]
    upload: str
    created: float
    started: float | None
    finished: float | None
    attempts: int
    claim: str | None
    digest: str | None
    output: str | None
    problem: dict[str, Any] | None
    timings: dict[str, float] | None  # seconds of each step
    webhook: str | None


@dataclass(frozen=True)
class NewJob:
    """A job to be added; `upload` is a token of the uploads."""

    name: str | None
    options: dict[str, Any]
    upload: str
    webhook: str | None


class Jobs:
    """The jobs in a database. Its methods wait for it, so they are for threads.

    Attributes:
        owner: the service whose jobs are run and deleted.
    """

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine, self.owner = engine, owner
        self._own: ColumnElement[bool] = jobs.c.owner == owner

    def add(self, new: Sequence[NewJob], *, batch: str | None = None) -> list[Job]:
        """Add jobs, all of them or none."""
        now = time.time()
        with self._engine.begin() as connection:
            _lock(connection)
            last = connection.execute(select(func.max(jobs.c.number))).scalar() or 0
            rows: list[dict[str, Any]] = [
                {
                    "id": secrets.token_hex(16),
                    "number": last + index + 1,
                    "owner": self.owner,
                    "batch": batch,
                    "state": "queued",
                    "name": json.dumps(item.name),
                    "options": json.dumps(item.options),
                    "upload": item.upload,
                    "created": now,
                    "due": 0.0,
                    "attempts": 0,
                    "webhook": item.webhook,
                    "told": 0 if item.webhook else 1,
                }
                for index, item in enumerate(new)
            ]
            connection.execute(insert(jobs), rows)
            added = select(jobs).where(jobs.c.number.between(last + 1, last + len(rows))).order_by(jobs.c.number)
            return [_job(row) for row in connection.execute(added)]

    def adopt(self, is_ours: Callable[[Job], bool] | None) -> int:
        """Take over jobs without an owner, from before there were owners.

        Args:
            is_ours: chooses them; None: all jobs of the database, which is this service's alone.

        Returns:
            How many there were.
        """
        foreign = jobs.c.owner.is_(None) if is_ours else jobs.c.owner.is_distinct_from(self.owner)
        ids = [job.id for job in self._jobs(select(jobs).where(foreign)) if is_ours is None or is_ours(job)]
        with self._engine.begin() as connection:
            for chunk in _chunks(ids):
                connection.execute(update(jobs).where(jobs.c.id.in_(chunk), foreign).values(owner=self.owner))
        return len(ids)

    def get(self, id_: str) -> Job | None:
        """The job with an id, whoever owns it."""
        return next(iter(self._jobs(select(jobs).where(jobs.c.id == id_))), None)

    def of_batch(self, batch: str) -> list[Job]:
        """The jobs of a batch in order; none if there is no such batch."""
        return self._jobs(select(jobs).where(jobs.c.batch == batch).order_by(jobs.c.number))

    def states(self, batch: str) -> dict[str, int]:
        """The number of a batch's jobs in each state; empty if there is no such batch."""
        query = select(jobs.c.state, func.count()).where(jobs.c.batch == batch).group_by(jobs.c.state)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def page(self, *, state: State | None, before: int | None, limit: int) -> list[Job]:
        """Jobs with a number below `before`, latest first."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if before is not None:
            query = query.where(jobs.c.number < before)
        return self._jobs(query)

    def next(self) -> Job | None:
        """Start the oldest of our own jobs that is due; it is returned as it was before."""
        while True:
            now = time.time()
            is_due = or_(
                jobs.c.due <= now, jobs.c.due > now + LONGEST_WAIT
            )  # so far off only if the clock was set back
            due = self._own, jobs.c.state == "queued", is_due
            queue = self._jobs(select(jobs).where(*due).order_by(jobs.c.number).limit(1))
            if not queue:
                return None
            changes: dict[str, Any] = {"started": time.time(), "attempts": jobs.c.attempts + 1, "problem": None}
            if self._move(queue[0].id, "queued", state="running", **changes):
                return queue[0]

    def claim(self, id_: str, directory: str, digest: str, *, problem: dict[str, Any] | None = None) -> bool:
        """Record the outputs directory that is about to be published; False if the job no longer runs.

        Args:
            id_: of the job.
            directory: its name.
            digest: of its result.json.
            problem: what isn't in it, and why.
        """
        details = None if problem is None else json.dumps(problem)
        return self._move(id_, "running", claim=directory, digest=digest, problem=details)

    def finish(
        self,
        id_: str,
        state: State,
        *,
        output: str | None = None,
        result: Iterable[str] | None = None,
        problem: dict[str, Any] | None = None,
        timings: dict[str, float] | None = None,
    ) -> bool:
        """End a running job; False if it no longer runs.

        Args:
            id_: of the job.
            state: its final one.
            output: the outputs directory.
            result: the text of result.json, in pieces, if there are no outputs.
            problem: why it failed; of one that is done, which exports are missing.
            timings: seconds of each step.
        """
        pieces = (
            [] if result is None else list(_joined(result))
        )  # before the transaction, which others may wait for
        with self._engine.begin() as connection:
            running = update(jobs).where(jobs.c.id == id_, jobs.c.state == "running")
            changes: dict[str, Any] = {"state": state, "finished": time.time(), "output": output}
            changes["problem"] = None if problem is None else json.dumps(problem)
            changes["timings"] = None if timings is None else json.dumps(timings)
            if not connection.execute(running.values(**changes)).rowcount:
                return False
            for number, piece in enumerate(pieces):
                connection.execute(insert(results).values(job=id_, number=number, text=piece))
            return True

    def result(self, id_: str, number: int = 0) -> Iterator[str]:
        """The text of a result that is stored with its job, from a piece on; empty if there is none."""
        while True:
            query = select(results.c.text).where(results.c.job == id_, results.c.number == number)
            with self._engine.connect() as connection:
                piece = connection.scalar(query)
            if piece is None:
                return
            yield piece
            number += 1

    def put_back(self, id_: str, *, due: float = 0.0, problem: dict[str, Any] | None = None) -> bool:
        """Put a running job back into the queue; False if it no longer runs.

        Args:
            id_: of the job.
            due: not to be started before this time.
            problem: the transient problem that it waits out.
        """
        details = None if problem is None else json.dumps(problem)
        return self._move(
            id_, "running", state="queued", started=None, claim=None, digest=None, due=due, problem=details
        )

    def cancel(self, id_: str) -> bool:
        """Cancel a queued or running job, whoever owns it; False if it is finished or unknown."""
        return self._cancel(jobs.c.id == id_) == 1

    def cancel_batch(self, batch: str) -> int:
        """Cancel all queued and running jobs of a batch; returns how many there were."""
        return self._cancel(jobs.c.batch == batch)

    def unsettled(self) -> list[Job]:
        """Our own jobs that are running or were interrupted, and cancelled ones that left something behind."""
        states = jobs.c.state.in_(("running", "cancelled"))
        unsettled = self._own, states, or_(jobs.c.state == "running", jobs.c.upload != "")
        return self._jobs(select(jobs).where(*unsettled).order_by(jobs.c.number))

    def settle(self, ids: Sequence[str]) -> None:
        """Note that cancelled jobs have left nothing behind."""
        with self._engine.begin() as connection:
            for chunk in _chunks(ids):
                cancelled = jobs.c.id.in_(chunk), jobs.c.state == "cancelled"
                connection.execute(update(jobs).where(*cancelled).values(upload=""))

    def waiting(self) -> int:
        """The number of our own queued jobs."""
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(jobs).where(self._own, jobs.c.state == "queued")
            return connection.execute(query).scalar() or 0

    def has_problem(self) -> bool:
        """Whether one of our own jobs waits out a transient problem."""
        with self._engine.connect() as connection:
            waiting = self._own, jobs.c.state == "queued", jobs.c.problem.is_not(None)
            return connection.execute(select(jobs.c.id).where(*waiting).limit(1)).scalar() is not None

    def uploads(self) -> set[str]:
        """The uploads of all jobs that aren't finished."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(jobs.c.upload).where(jobs.c.state.not_in(FINISHED))))

    def forget(self, before: float) -> int:
        """Delete our own jobs that were finished before a time; returns how many there were."""
        with self._engine.begin() as connection:
            old = self._own, jobs.c.state.in_(FINISHED), jobs.c.finished < before
            return connection.execute(delete(jobs).where(*old)).rowcount

    def forget_outputs(self, ids: Sequence[str]) -> None:
        """Delete our own finished jobs with these outputs: they contain the recordings' names."""
        ours = or_(self._own, jobs.c.owner.is_(None)), jobs.c.state.in_(FINISHED)
        with self._engine.begin() as connection:
            for chunk in _chunks(ids):
                connection.execute(delete(jobs).where(*ours, jobs.c.output.in_(chunk)))

    def _cancel(self, which: ColumnElement[bool]) -> int:
        open_ = jobs.c.state.in_(("queued", "running"))
        with self._engine.begin() as connection:
            changed = (
                update(jobs).where(which, open_).values(state="cancelled", finished=time.time(), problem=None)
            )
            return connection.execute(changed).rowcount

    def _move(self, id_: str, before: str, **values: Any) -> bool:
        """Change a job if it is still in a state; whoever changes it first wins."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(jobs).where(jobs.c.id == id_, jobs.c.state == before).values(**values)
            )
            return bool(changed.rowcount)

    def _jobs(self, query: Select[Any]) -> list[Job]:
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query)]


def _lock(connection: Connection) -> None:
    """Keep others from numbering jobs, in this process or another, until the transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many ids at once as a statement takes."""
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]


def _joined(pieces: Iterable[str]) -> Iterator[str]:
    """Short texts joined to long ones."""
    buffer, length = list[str](), 0
    for piece in pieces:
        buffer.append(piece)
        length += len(piece)
        if length >= _PIECE:
            yield "".join(buffer)
            buffer, length = [], 0
    if buffer:
        yield "".join(buffer)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        number=row.number,
        owner=row.owner,
        batch=row.batch,
        state=row.state,
        name=json.loads(row.name),
        options=json.loads(row.options),
        upload=row.upload,
        created=row.created,
        started=row.started,
        finished=row.finished,
        attempts=row.attempts,
        claim=row.claim,
        digest=row.digest,
        output=row.output,
        problem=None if row.problem is None else json.loads(row.problem),
        timings=None if row.timings is None else json.loads(row.timings),
        webhook=row.webhook,
    )
