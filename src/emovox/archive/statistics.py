"""Statistics: how much is in the archive, and what readouts gave."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from emovox.archive.filter import Filter
from emovox.archive.readings import readings
from emovox.archive.record import RAW
from emovox.archive.schema import recognitions, recordings, tags


@dataclass(frozen=True)
class ValueStats:
    """Of a value over recognitions.

    Attributes:
        count: recognitions.
        mean: their mean.
        deviation: their standard deviation, with count − 1; None: there is only one.
    """

    count: int
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class ReadoutStats:
    """Of a readout.

    Attributes:
        by_label: of classes: recognitions by the one that leads.
        values: of values: each by its name.
        by_day: the same by day, and so on.
    """

    by_label: dict[str, int] = field(default_factory=dict)
    values: dict[str, ValueStats] = field(default_factory=dict)
    by_day: dict[str, dict[str, ValueStats]] = field(default_factory=dict)
    by_tag: dict[str, dict[str, ValueStats]] = field(default_factory=dict)
    by_model: dict[str, dict[str, ValueStats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stats:
    """How much is in the archive; of recognitions, unless another word is used.

    Attributes:
        by_emotion: of those whose model gives the nine.
        readouts: what models give besides the nine, by name.
        relative_to: `raw`, or the baseline that the emotions are relative to.
    """

    recordings: int
    recognitions: int
    seconds: float
    by_emotion: dict[str, int]
    by_day: dict[str, int]
    by_tag: dict[str, int]
    by_model: dict[str, int]
    readouts: dict[str, ReadoutStats] = field(default_factory=dict)
    relative_to: str = RAW


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
        for row in sorted((row for row in groups if row[column] is not None), key=lambda row: row[column]):
            counts[row[column]] = counts.get(row[column], 0) + row[3]
        return counts

    return Stats(
        total, sum(row[3] for row in groups), seconds or 0.0, by(0), by(1), by_tag, by(2),
        _readouts(connection, conditions),
    )  # fmt: skip


def _readouts(connection: Connection, conditions: list[ColumnElement[bool]]) -> dict[str, ReadoutStats]:
    leading = select(readings.c.readout, readings.c.label, func.count()).where(readings.c.leads.is_(True))
    if conditions:
        leading = leading.join(recognitions).where(*conditions)
    leading = leading.group_by(readings.c.readout, readings.c.label).order_by(readings.c.readout, readings.c.label)
    by_label: dict[str, dict[str, int]] = {}
    for readout, label, number in connection.execute(leading):
        by_label.setdefault(readout, {})[label] = number
    sums = [func.count(), func.sum(readings.c.number), func.sum(readings.c.number * readings.c.number)]
    names = [readings.c.readout, readings.c.label]
    groups = [recognitions.c.day, recognitions.c.model]
    query = select(*names, *sums, *groups).join_from(readings, recognitions)
    query = query.where(readings.c.leads.is_(None), *conditions).group_by(*names, *groups)
    rows = connection.execute(query).all()
    query = select(*names, *sums, tags.c.name).join_from(readings, recognitions)
    query = query.join(tags, tags.c.recording == recognitions.c.recording)
    query = query.where(readings.c.leads.is_(None), *conditions).group_by(*names, tags.c.name)
    tag_rows = connection.execute(query).all() if rows else []
    stats = {}
    for readout in sorted({*by_label, *(row.readout for row in rows)}):
        readout_rows = [row for row in rows if row.readout == readout]
        tagged = [row for row in tag_rows if row.readout == readout]
        stats[readout] = ReadoutStats(
            by_label.get(readout, {}),
            _values(readout_rows, lambda _: "").get("", {}),
            by_day=_values(readout_rows, lambda row: row[5]),
            by_tag=_values(tagged, lambda row: row[5]),
            by_model=_values(readout_rows, lambda row: row[6]),
        )
    return stats


def _values(rows: list[Any], group: Callable[[Any], str]) -> dict[str, dict[str, ValueStats]]:
    """By group and label, of rows that have readout, label, count, sum, and sum of squares."""
    sums: dict[tuple[str, str], tuple[int, float, float]] = {}
    for row in rows:
        count, total, squares = sums.get((group(row), row[1]), (0, 0.0, 0.0))
        sums[group(row), row[1]] = (count + row[2], total + row[3], squares + row[4])
    by_group: dict[str, dict[str, ValueStats]] = {}
    for (name, label), (count, total, squares) in sorted(sums.items()):
        mean = total / count
        spread = max(0.0, squares - count * mean * mean)
        deviation = math.sqrt(spread / (count - 1)) if count > 1 else None
        by_group.setdefault(name, {})[label] = ValueStats(count, mean, deviation)
    return by_group
