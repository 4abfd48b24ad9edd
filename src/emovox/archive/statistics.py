"""Statistics: how much is in the archive."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from emovox.archive.filter import Filter
from emovox.archive.schema import recognitions, recordings, tags


@dataclass(frozen=True)
class Stats:
    """How much is in the archive; of recognitions, unless another word is used."""

    recordings: int
    recognitions: int
    seconds: float
    by_emotion: dict[str, int]
    by_day: dict[str, int]
    by_tag: dict[str, int]
    by_model: dict[str, int]


def count(connection: Connection, where: Filter) -> Stats:
    """How much there is."""
    conditions = where.conditions()
    columns = (recognitions.c.emotion, recognitions.c.day, recognitions.c.model)
    grouped = select(*columns, func.count()).where(*conditions).group_by(*columns)
    length = select(func.count(), func.sum(recordings.c.duration))
    if conditions:
        length = length.where(recordings.c.sha256.in_(select(recognitions.c.recording).where(*conditions)))
    tagged = select(tags.c.name, func.count()).join(recognitions, recognitions.c.recording == tags.c.recording)
    tagged = tagged.where(*conditions).group_by(tags.c.name).order_by(tags.c.name)
    groups = connection.execute(grouped).all()
    total, seconds = connection.execute(length).one()
    by_tag = {name: count for name, count in connection.execute(tagged)}  # noqa: C416  rows are no pairs

    def by(column: int) -> dict[str, int]:
        counts: dict[str, int] = {}
        for row in sorted(groups, key=lambda row: row[column]):
            counts[row[column]] = counts.get(row[column], 0) + row[3]
        return counts

    return Stats(total, sum(row[3] for row in groups), seconds or 0.0, by(0), by(1), by_tag, by(2))
