"""Moments: where in recordings a rule holds, by their segments.

A moment is a run of neighbouring segments in each of which the rule holds, with pauses of `JOINED` at most
between them, and with at least as much speech as the rule asks for. So it goes by what headline and arc go by,
and like them sees no change within a segment, which is 17 s at most.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, func, select

from emovox.archive import readings
from emovox.archive.names import Name, numbers
from emovox.archive.record import ArchiveRecord
from emovox.archive.rule import Rule, meant
from emovox.archive.schema import recognitions, segments
from emovox.errors import FilterError
from emovox.inference import stored_result as stored
from emovox.inference.raw import raw
from emovox.outputs import RESULT
from emovox.policy import policy

JOINED = 1.0
"""Seconds of pause that don't end a moment."""
_ROUNDING = 1e-6  # of times in files, seconds
_MANY = 500  # values in one IN


@dataclass(frozen=True)
class Moment:
    """A stretch in which a rule holds.

    Attributes:
        start: seconds.
        end: seconds.
        speech: seconds of its segments, without the pauses.
        peak: the highest number of a segment in it; where low ones are looked for the lowest.
        mean: of its segments by their seconds.
    """

    start: float
    end: float
    speech: float
    peak: float
    mean: float

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)


class RecordMoments(NamedTuple):
    """A recognition and the moments in it, in order."""

    record: ArchiveRecord
    moments: tuple[Moment, ...]


class Stretch(NamedTuple):
    """A segment: which one it is, from 0, its start and end in seconds, and the rule's number of it."""

    place: int
    start: float
    end: float
    number: float


Row = dict[str, Any]
Mover = Callable[[ArchiveRecord, Row], Row]
"""A segment of a record with other scores."""


def joined(stretches: Iterable[Stretch], rule: Rule) -> tuple[Moment, ...]:
    """The moments of a recording's segments, which are in order."""
    runs: list[list[Stretch]] = []
    for stretch in stretches:
        if not rule.holds(stretch.number):
            continue
        last = runs[-1][-1] if runs else None
        if last is None or stretch.place != last.place + 1 or stretch.start - last.end > JOINED + _ROUNDING:
            runs.append([])
        runs[-1].append(stretch)
    moments = (_moment(run, rule) for run in runs)
    return tuple(moment for moment in moments if moment.speech >= rule.seconds - _ROUNDING)


def _moment(run: Sequence[Stretch], rule: Rule) -> Moment:
    speech = sum(item.end - item.start for item in run)
    mean = sum((item.end - item.start) * item.number for item in run) / speech
    peak = (min if rule.seeks_low else max)(item.number for item in run)
    return Moment(run[0].start, run[-1].end, *(round(number, 6) for number in (speech, peak, mean)))


def condition(rule: Rule, names: Sequence[Name], *, moved: bool = False) -> ColumnElement[bool]:
    """What recognitions must be like to have moments, in SQL; not all that are have some.

    Args:
        rule: that is looked for.
        names: of all readings in the archive; needed for what isn't one of the nine.
        moved: whether their scores will be.

    Raises:
        FilterError: nothing in the archive is called so.
        PolicyError: nothing may be inferred of the rule's side.
    """
    policy().check(rule.side, "a flag")
    holds: ColumnElement[bool]
    if not rule.is_of_nine:
        name = named(rule, names)
        table = readings.readings
        query = select(table.c.recognition).where(table.c.readout == name.readout, table.c.label == name.label)
        holds = recognitions.c.id.in_(query)
    elif moved:
        holds = recognitions.c.emotion.is_not(None)
    else:
        column = segments.c[rule.name]
        compared = {">=": column >= rule.value, ">": column > rule.value,
                    "<=": column <= rule.value, "<": column < rule.value}  # fmt: skip
        holds = recognitions.c.id.in_(select(segments.c.recognition).where(compared[rule.operator]))
        holds |= recognitions.c.baseline.is_not(None)  # whose scores may be shown as they were recognised
    return holds if rule.side is None else holds & (recognitions.c.side == rule.side)


def named(rule: Rule, names: Sequence[Name]) -> Name:
    """What a rule's name is of, of those in the archive.

    Raises:
        FilterError: there is none, or it is of several readouts, or a value is compared with a share.
    """
    try:
        name = readings.named(rule.name, names)
    except FilterError as error:
        raise FilterError(f"rule {str(rule)!r}: {error}{meant(rule.name)}") from error
    if name.value and rule.percent:
        raise FilterError(f"rule {str(rule)!r}: {name} is a value, not a score: write a number without %")
    return name


def of_records(
    connection: Connection,
    records: Sequence[ArchiveRecord],
    rule: Rule,
    names: Sequence[Name],
    *,
    mover: Mover | None = None,
    recognized: bool = False,
) -> dict[str, tuple[Moment, ...]]:
    """The moments of records, by their ids; those without any are left out.

    Args:
        connection: to the database that has them.
        records: whose moments are looked for; of a side of which nothing may be inferred there are none.
        rule: that finds them.
        names: as `condition`.
        mover: moves the scores of the nine; by default they are without a baseline.
        recognized: whether a model's own classes are with the baseline that they were recognised with.
    """
    withheld = policy().withheld
    allowed = [record for record in records if record.side not in withheld and rule.side in {None, record.side}]
    if rule.is_of_nine:
        by_id = {id_: joined(own, rule) for id_, own in _nine(connection, allowed, rule, mover)}
    else:
        name = named(rule, names) if records else None
        own = {} if name is None else _own(connection, allowed, name, recognized=recognized)
        by_id = {id_: joined(stretches, rule) for id_, stretches in own.items()}
    return {id_: moments for id_, moments in by_id.items() if moments}


def count_without_segments(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> int:
    """How many recognitions that fulfil conditions have no segments, where nothing can be found."""
    some = select(segments.c.recognition).where(segments.c.recognition == recognitions.c.id)
    query = select(func.count()).select_from(recognitions).where(*conditions, ~some.exists())
    silent = (" " + recognitions.c.warnings + " ").contains(" no_speech ")
    return int(connection.scalar(query.where(~silent)) or 0)


def _nine(
    connection: Connection, records: Sequence[ArchiveRecord], rule: Rule, mover: Mover | None
) -> Iterator[tuple[str, list[Stretch]]]:
    for first in range(0, len(records), _MANY):
        part = {record.id: record for record in records[first : first + _MANY]}
        by_id: dict[str, list[Stretch]] = {}
        own, key = segments.c, (segments.c.recognition, segments.c.number)
        raw_query = select(*key, own.start, own.end, own[rule.name])
        query = (raw_query if mover is None else select(segments)).where(own.recognition.in_(part))
        result = connection.execute(query.where(own.emotion.is_not(None)).order_by(*key))
        if mover is None:
            for id_, number, start, end, score in result:
                by_id.setdefault(id_, []).append(Stretch(number, start, end, score))
        else:
            for row in result.mappings():
                score = mover(part[row["recognition"]], dict(row))[rule.name]
                stretch = Stretch(row["number"], row["start"], row["end"], score)
                by_id.setdefault(row["recognition"], []).append(stretch)
        yield from by_id.items()


def _own(
    connection: Connection, records: Sequence[ArchiveRecord], name: Name, *, recognized: bool
) -> dict[str, list[Stretch]]:
    """Of what isn't one of the nine: values as the archive has them, the rest from the outputs directories."""
    by_id = _values(connection, records, name) if name.value else {}
    rest = (record for record in records if record.id not in by_id)
    return by_id | {record.id: list(_stored(record, name, recognized=recognized)) for record in rest}


def _values(connection: Connection, records: Sequence[ArchiveRecord], name: Name) -> dict[str, list[Stretch]]:
    by_id: dict[str, list[Stretch]] = {}
    own = segments.c
    for first in range(0, len(records), _MANY):
        ids = [record.id for record in records[first : first + _MANY]]
        query = select(segments).where(own.recognition.in_(ids), own["values"].is_not(None))
        for row in connection.execute(query.order_by(own.recognition, own.number)).mappings():
            stretches = by_id.setdefault(row["recognition"], [])
            number = json.loads(row["values"]).get(name.readout, {}).get(name.label)
            if number is not None:
                stretches.append(Stretch(row["number"], row["start"], row["end"], number))
    return by_id


def _stored(record: ArchiveRecord, name: Name, *, recognized: bool) -> Iterator[Stretch]:
    if record.outputs is None:
        return
    try:
        items = stored.read(record.outputs / RESULT, "segments").segments or []
    except (OSError, ValidationError):  # deleted by hand, or damaged
        return
    for index, item in enumerate(items):
        readout = (item if recognized else raw(item)).readouts.get(name.readout)
        number = None if readout is None else numbers(readout).get(name.label)
        if number is not None:
            yield Stretch(index, item.start, item.end, number)
