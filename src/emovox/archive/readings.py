"""Readings: the numbers that readouts gave beside the nine emotions, in a table of their own.

A row for each label of each readout of a recognition: the score of a class, or a value.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    Table,
    Text,
    select,
)

from emovox.archive.names import CONFIDENCE, LABEL, Name, numbers
from emovox.archive.record import ArchiveRecord, clean
from emovox.archive.schema import metadata, recognitions
from emovox.emotions import NAMES, check_names
from emovox.errors import FilterError
from emovox.inference.recognition import ReadoutResult
from emovox.models.readout import EMOTION

Operator = Literal[">", ">=", "<", "<=", "="]

readings = Table(
    "readings",
    metadata,
    Column("recognition", ForeignKey("recognitions.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # among the recognition's, as the model orders them
    Column("readout", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("number", Float, nullable=False),  # a score or a value
    Column("leads", Boolean),  # whether its score is the highest of its readout; null: it is a value
    Column("kind", Text, nullable=False),  # how it is computed, as in result.json
    Column("low", Float),  # the range of values
    Column("high", Float),
    Column("trained", Float),  # of a trained head: when, seconds since 1970
    # All that filters and statistics read, so that they read nothing else.
    Index("readings_label", "readout", "label", "number", "leads", "recognition"),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True)
class Comparison:
    """What must hold of a number, or of the class that leads.

    Attributes:
        name: of a number: `arousal`, `dimensions.arousal`, `emotion.confidence`, or one of the nine emotions; of
            a class: its readout, or READOUT.label.
        value: the number, or the class.
    """

    name: str
    operator: Operator
    value: float | str

    def condition(self, names: Sequence[Name]) -> ColumnElement[bool]:
        """As SQL over recognitions.

        Args:
            names: of all readings in the archive.

        Raises:
            FilterError: the name is unknown, or of several readouts.
            UnknownEmotionError: no readout is called `emotion`, and the class is none of the nine.
        """
        if isinstance(self.value, str):
            return self._leads(names, self.name.removesuffix(f".{LABEL}"))
        if self.name in (*NAMES, CONFIDENCE):
            return self._compared(recognitions.c[self.name])
        query = select(readings.c.recognition).where(self._compared(readings.c.number))
        classes = {f"{name.readout}.{CONFIDENCE}": name.readout for name in names if not name.value}
        if self.name in classes and not _same(self.name, names):
            query = query.where(readings.c.readout == classes[self.name], readings.c.leads.is_(True))
        else:
            name = named(self.name, names)
            query = query.where(readings.c.readout == name.readout, readings.c.label == name.label)
        return recognitions.c.id.in_(query)

    def _leads(self, names: Sequence[Name], readout: str) -> ColumnElement[bool]:
        labels = [name.label for name in names if name.readout == readout and not name.value]
        if not labels and readout == EMOTION:  # one of the nine was meant
            check_names([str(self.value)])
        if not labels:
            classes = ", ".join(sorted({name.readout for name in names if not name.value})) or "none"
            raise FilterError(f"no readout of classes in the archive is called {readout!r}: it has {classes}")
        if self.value not in labels:
            raise FilterError(f"no class of {readout} is called {self.value!r}: it has {', '.join(labels)}")
        own = (readings.c.readout == readout, readings.c.label == self.value, readings.c.leads.is_(True))
        return recognitions.c.id.in_(select(readings.c.recognition).where(*own))

    def _compared(self, column: ColumnElement[float]) -> ColumnElement[bool]:
        if self.operator in {">", ">="}:
            return column > self.value if self.operator == ">" else column >= self.value
        return column < self.value if self.operator == "<" else column <= self.value


def named(word: str, names: Sequence[Name]) -> Name:
    """The one of some names that is called so: READOUT.LABEL, or LABEL where one readout alone has it.

    Raises:
        FilterError: none is, or several are.
    """
    same = _same(word, names)
    if len(same) > 1:
        raise FilterError(f"{word} is of several readouts: write {' or '.join(map(str, same))}")
    if not same:
        choices = ", ".join([*map(str, names), *NAMES])
        raise FilterError(f"no number in the archive is called {word!r}: it has {choices}")
    return same[0]


def _same(word: str, names: Sequence[Name]) -> list[Name]:
    return [name for name in names if str(name) == word] or [name for name in names if name.label == word]


def names(connection: Connection, conditions: Sequence[ColumnElement[bool]] = ()) -> list[Name]:
    """What the readings in the archive are of, or those of recognitions that fulfil conditions; sorted."""
    columns = (readings.c.readout, readings.c.label)
    if conditions:
        query = select(*columns, readings.c.leads.is_(None)).join(recognitions).where(*conditions).distinct()
        return sorted(Name(*row) for row in connection.execute(query))
    # From one name to the next by the index: few of very many rows are read.
    readout, label = columns
    query = select(*columns, readings.c.leads.is_(None)).order_by(*columns).limit(1)
    names: list[Name] = []
    row = connection.execute(query).one_or_none()
    while row is not None:
        names.append(last := Name(*row))
        row = connection.execute(query.where(readout == last.readout, label > last.label)).one_or_none()
        row = row or connection.execute(query.where(readout > last.readout)).one_or_none()
    return names


def of_record(record: ArchiveRecord) -> Iterator[dict[str, Any]]:
    """The rows of a record."""
    position = 0
    for name, item in record.readouts.items():
        low, high = item.range or (None, None)
        leader = max(item.scores, key=item.scores.__getitem__) if item.scores else None
        for label, number in numbers(item).items():
            yield {
                "recognition": record.id, "position": position, "readout": clean(name), "label": clean(label),
                "number": number, "leads": None if item.scores is None else label == leader, "kind": item.kind,
                "low": low, "high": high,
                "trained": None if item.created_at is None else item.created_at.timestamp(),
            }  # fmt: skip
            position += 1


def results(rows: Iterable[RowMapping]) -> dict[str, ReadoutResult]:
    """What readouts gave, from one recognition's rows in their order."""
    by_name: dict[str, list[RowMapping]] = {}
    for row in rows:
        by_name.setdefault(row["readout"], []).append(row)
    return {name: _result(own) for name, own in by_name.items()}


def _result(rows: list[RowMapping]) -> ReadoutResult:
    own, first = {row["label"]: row["number"] for row in rows}, rows[0]
    facts: dict[str, Any] = {"kind": first["kind"]}
    if first["trained"] is not None:
        facts["created_at"] = datetime.fromtimestamp(first["trained"], timezone.utc)
    if first["leads"] is None:
        facts["values"] = own
        facts["range"] = None if first["low"] is None else (first["low"], first["high"])
    else:
        facts["scores"] = own
        facts["label"] = next(row["label"] for row in rows if row["leads"])
        facts["confidence"] = own[facts["label"]]
    return ReadoutResult.model_construct(**facts)  # checked when it was archived
