"""Jobs: what was accepted and is to be done, in the database, so that neither a restart nor a kill loses any."""

import json
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Engine, Row, Select, delete, func, insert, literal_column, or_, select, update

from emovox.server.database import jobs

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED = ("done", "failed", "cancelled")
_AT_ONCE = 500  # values in one statement
_NEVER = 3600.0  # seconds from now to a try that nobody can have meant: the clock was set back


@dataclass(frozen=True)
class Job:
    """A row. Times are seconds since 1970."""

    id: str
    number: int
    batch: str | None
    state: State
    name: str | None
    options: dict[str, Any]
    upload: str
    created: float
    started: float | None
    finished: float | None
    claim: str | None
    digest: str | None
    output: str | None
    result: str | None
    problem: dict[str, Any] | None
    timings: dict[str, float] | None  # seconds of each step
    webhook: str | None


@dataclass(frozen=True)
class NewJob:
    """What a job begins with; the upload lies among the uploads under its name."""

    name: str | None
    options: dict[str, Any]
    upload: str
    webhook: str | None


@dataclass(frozen=True)
class Untold:
    """A finished job whose webhook may be told of it now.

    Attributes:
        tries: how often that has been tried.
        place: among those with the same webhook, from 1.
    """

    id: str
    webhook: str
    tries: int
    place: int


class Jobs:
    """The jobs in a database. Its methods wait for it, so they are for threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._numbering = threading.Lock()

    def add(self, new: Sequence[NewJob], *, batch: str | None = None) -> list[Job]:
        """Accept jobs, all of them or none."""
        now = time.time()
        with self._numbering, self._engine.begin() as connection:
            last = connection.execute(select(func.max(jobs.c.number))).scalar() or 0
            rows: list[dict[str, Any]] = [
                {
                    "id": secrets.token_hex(16),
                    "number": last + index + 1,
                    "batch": batch,
                    "state": "queued",
                    "name": json.dumps(item.name),
                    "options": json.dumps(item.options),
                    "upload": item.upload,
                    "created": now,
                    "attempts": 0,
                    "webhook": item.webhook,
                    "told": 0 if item.webhook else 1,
                }
                for index, item in enumerate(new)
            ]
            connection.execute(insert(jobs), rows)
        found = {job.id: job for job in self._jobs(select(jobs).where(jobs.c.id.in_([row["id"] for row in rows])))}
        return [found[row["id"]] for row in rows]

    def get(self, id_: str) -> Job | None:
        """The job of that id."""
        found = self._jobs(select(jobs).where(jobs.c.id == id_))
        return found[0] if found else None

    def of_batch(self, batch: str) -> list[Job]:
        """The jobs of a batch, in order; none if there is no such batch."""
        return self._jobs(select(jobs).where(jobs.c.batch == batch).order_by(jobs.c.number))

    def page(self, *, state: State | None, before: int | None, limit: int) -> list[Job]:
        """The latest jobs first, those with a number below `before`."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if state is not None:
            query = query.where(jobs.c.state == state)
        if before is not None:
            query = query.where(jobs.c.number < before)
        return self._jobs(query)

    def next(self) -> Job | None:
        """Take the oldest that waits, which is then running."""
        while found := self._jobs(select(jobs).where(jobs.c.state == "queued").order_by(jobs.c.number).limit(1)):
            if self._move(
                found[0].id, "queued", state="running", started=time.time(), attempts=jobs.c.attempts + 1
            ):
                return found[0]
        return None

    def claim(self, id_: str, directory: str, digest: str) -> bool:
        """Write down which outputs directory is about to be published; False if the job no longer runs."""
        return self._move(id_, "running", claim=directory, digest=digest)

    def finish(
        self,
        id_: str,
        state: State,
        *,
        output: str | None = None,
        result: str | None = None,
        problem: dict[str, Any] | None = None,
        timings: dict[str, float] | None = None,
    ) -> bool:
        """End a running job; False if it no longer runs."""
        return self._move(
            id_,
            "running",
            state=state,
            finished=time.time(),
            output=output,
            result=result,
            problem=None if problem is None else json.dumps(problem),
            timings=None if timings is None else json.dumps(timings),
        )

    def requeue(self, id_: str) -> bool:
        """Let a running job wait again; False if it no longer runs."""
        return self._move(id_, "running", state="queued", started=None, claim=None, digest=None)

    def cancel(self, id_: str) -> bool:
        """Cancel a job that waits or runs; False if it is finished or unknown."""
        now = time.time()
        return any(self._move(id_, state, state="cancelled", finished=now) for state in ("queued", "running"))

    def running(self) -> list[Job]:
        """Those that run, or ran when the service was killed."""
        return self._jobs(select(jobs).where(jobs.c.state == "running").order_by(jobs.c.number))

    def waiting(self) -> int:
        """How many wait."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).where(jobs.c.state == "queued")).scalar() or 0

    def uploads(self) -> set[str]:
        """The uploads of jobs that aren't finished."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(jobs.c.upload).where(jobs.c.state.not_in(FINISHED))))

    def untold(self, *, each: int) -> list[Untold]:
        """What may be told now, the longest due first: of every address only a few."""
        now = time.time()
        place = func.row_number().over(
            partition_by=jobs.c.webhook, order_by=[jobs.c.tell_at, jobs.c.number]
        )  # fmt: skip
        due = (
            select(jobs.c.id, jobs.c.webhook, jobs.c.tellings, jobs.c.tell_at, jobs.c.number, place.label("place"))
            .where(jobs.c.told == literal_column("0"), jobs.c.finished.is_not(None))  # an index's very words
            .where(or_(jobs.c.tell_at <= now, jobs.c.tell_at > now + _NEVER))
            .subquery()
        )
        query = select(due).where(due.c.place <= each).order_by(due.c.tell_at, due.c.number)
        with self._engine.connect() as connection:
            return [Untold(row.id, row.webhook, row.tellings, row.place) for row in connection.execute(query)]

    def begin_telling(self, untold: Untold, *, until: float) -> bool:
        """Count a try that begins now, and may last until a time; False if somebody else has begun one."""
        mine = (jobs.c.id == untold.id, jobs.c.told == 0, jobs.c.tellings == untold.tries)
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(jobs).where(*mine).values(tellings=untold.tries + 1, tell_at=until)
            )  # fmt: skip
            return bool(changed.rowcount)

    def tell_later(self, id_: str, moment: float) -> None:
        """The webhook is to be told again, and not before a time."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == id_).values(tell_at=moment))

    def told(self, id_: str) -> None:
        """The webhook has been told, or given up."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == id_).values(told=1))

    def forget(self, before: float) -> int:
        """Delete what was finished before a time; how many there were."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(jobs).where(jobs.c.state.in_(FINISHED), jobs.c.finished < before))
            return gone.rowcount

    def forget_outputs(self, ids: Sequence[str]) -> None:
        """Delete the finished jobs that wrote these outputs: they know the recordings' names."""
        with self._engine.begin() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                connection.execute(delete(jobs).where(jobs.c.state.in_(FINISHED), jobs.c.output.in_(some)))

    def _move(self, id_: str, before: str, **values: Any) -> bool:
        """Change a job that is in a state, and only then; whoever changes it first wins."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                update(jobs).where(jobs.c.id == id_, jobs.c.state == before).values(**values)
            )
            return bool(changed.rowcount)

    def _jobs(self, query: Select[Any]) -> list[Job]:
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(query)]


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        number=row.number,
        batch=row.batch,
        state=row.state,
        name=json.loads(row.name),
        options=json.loads(row.options),
        upload=row.upload,
        created=row.created,
        started=row.started,
        finished=row.finished,
        claim=row.claim,
        digest=row.digest,
        output=row.output,
        result=row.result,
        problem=None if row.problem is None else json.loads(row.problem),
        timings=None if row.timings is None else json.loads(row.timings),
        webhook=row.webhook,
    )
