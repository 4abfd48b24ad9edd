"""Deliveries: the webhooks of finished jobs that are still to be called, in the database."""

import time
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, func, literal_column, or_, select, update

from emovox.server.database import jobs

_NEVER = 3600.0  # seconds; a try that is further off can't have been meant: the clock was set back


@dataclass(frozen=True)
class Delivery:
    """A finished job whose webhook may be called now.

    Attributes:
        job: its id.
        webhook: its URL.
        tries: how often it was called so far.
        rank: among those with the same URL, from 1.
    """

    job: str
    webhook: str
    tries: int
    rank: int


class Deliveries:
    """The deliveries of one service's jobs. Its methods wait for the database, so they are for threads."""

    def __init__(self, engine: Engine, owner: str) -> None:
        self._engine = engine
        self._own: ColumnElement[bool] = jobs.c.owner == owner

    def due(self, *, each: int) -> list[Delivery]:
        """The deliveries that are due, the longest due first, at most `each` of every URL."""
        now = time.time()
        rank = func.row_number().over(partition_by=jobs.c.webhook, order_by=[jobs.c.tell_at, jobs.c.number])
        due = (
            select(jobs.c.id, jobs.c.webhook, jobs.c.tellings, jobs.c.tell_at, jobs.c.number, rank.label("rank"))
            .where(jobs.c.told == literal_column("0"), jobs.c.finished.is_not(None))  # in the words of an index
            .where(self._own)
            .where(or_(jobs.c.tell_at <= now, jobs.c.tell_at > now + _NEVER))
            .subquery()
        )
        query = select(due).where(due.c.rank <= each).order_by(due.c.tell_at, due.c.number)
        with self._engine.connect() as connection:
            return [Delivery(row.id, row.webhook, row.tellings, row.rank) for row in connection.execute(query)]

    def begin(self, delivery: Delivery, *, until: float) -> bool:
        """Count a try that begins now and may last until a time; False if another service has begun one."""
        unchanged = (jobs.c.id == delivery.job, jobs.c.told == 0, jobs.c.tellings == delivery.tries)
        values = {"tellings": delivery.tries + 1, "tell_at": until}
        with self._engine.begin() as connection:
            return bool(connection.execute(update(jobs).where(*unchanged).values(values)).rowcount)

    def postpone(self, job: str, until: float) -> None:
        """Try again, but not before a time."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job).values(tell_at=until))

    def close(self, job: str) -> None:
        """Note that it was delivered or given up."""
        with self._engine.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job).values(told=1))
