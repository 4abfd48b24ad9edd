"""A view of the archive: its records as stored, or relative to a baseline, with filters that mean the same."""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from emovox.archive.archive import ALL, Archive
from emovox.archive.filter import Filter
from emovox.archive.moments import Moment, Mover, RecordMoments, Row, count_without_segments, of_records
from emovox.archive.names import CONFIDENCE, LABEL
from emovox.archive.pages import mark
from emovox.archive.readings import Comparison
from emovox.archive.record import RAW, ArchiveRecord
from emovox.archive.relative import AsRecognized, Models, Relative, load, relative_to
from emovox.archive.rule import Rule
from emovox.archive.statistics import Stats
from emovox.baselines.baseline import Baseline
from emovox.emotions import NAMES
from emovox.errors import FilterError
from emovox.models.readout import EMOTION

LOOKED = 2000
"""Recognitions that are looked into for a page of moments; the next page goes on from there."""
_TOGETHER = 200
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What a filter selects of an archive; with a baseline its scores are moved, and the filter's are those.

    Attributes:
        archive: the archive.
        where: the filter.
        relative: what its scores are relative to; None: they are raw.
    """

    archive: Archive
    where: Filter = ALL
    relative: Relative | None = None

    @classmethod
    def of(
        cls,
        archive: Archive,
        where: Filter = ALL,
        baseline: str | Baseline | None = None,
        *,
        expect: Mapping[str, float] | None = None,
        models: Models = load,
    ) -> "View":
        """A view relative to a baseline, as `relative_to` has it; None: as stored."""
        if baseline is None:
            return cls(archive, where)
        _check(archive, where)
        return cls(archive, where, relative_to(archive, baseline, _stored(where), expect=expect, models=models))

    @property
    def relative_to(self) -> str:
        """`raw`, or the name of what the scores are relative to."""
        return RAW if self.relative is None else self.relative.name

    def records(self, *, before: str | None = None) -> Iterator[ArchiveRecord]:
        """The records, latest first, from `before` on, as `find` gives it."""
        records = self.archive.all(_stored(self.where) if self.relative else self.where, before=before)
        return filter(self._holds, map(self._moved, records))

    def find(self, *, limit: int = 50, before: str | None = None) -> tuple[list[ArchiveRecord], str | None]:
        """A page of records, as `Archive.find`."""
        if self.relative is None or _stored(self.where) == self.where:
            page, following = self.archive.find(self.where, limit=limit, before=before)
            return [self._moved(record) for record in page], following
        page = list(islice(self.records(before=before), limit + 1))
        return page[:limit], mark(page[limit - 1]) if len(page) > limit else None

    def segments(self, record: ArchiveRecord) -> tuple[list[dict[str, Any]], str]:
        """The segments of one of its records, as `Archive.segments`, and what they are relative to."""
        rows = self.archive.segments(record.id)
        move = None if self.relative is None else self.relative.of(record)
        return (rows, RAW) if move is None else ([move.segment(row) for row in rows], move.name)

    def find_moments(
        self, rule: str | Rule, *, limit: int = 50, before: str | None = None
    ) -> tuple[list[RecordMoments], str | None]:
        """A page of records in which a rule holds, with its moments, latest first.

        Args:
            rule: `angry >= 60% for 3s`, as `Rule.parse` reads it.
            limit: records of a page; there may be fewer, down to none, although others follow.
            before: where the page begins, as the previous page gave it.

        Returns:
            The page, and the `before` of the next one, if there is one.

        Raises:
            FilterError: the rule can't be read, nothing in the archive is called as it says, or a baseline would
                have to move what it is of.
            PolicyError: nothing may be inferred of its side.
        """
        rule = Rule.of(rule)
        where = (self.where if self.relative is None else _stored(self.where)).allowed()
        where = replace(where, rule=rule, moved=self._is_moved)
        if where.moved and not rule.is_of_nine:
            raise FilterError(f"rule {str(rule)!r}: with a baseline only the nine emotions can be looked for")
        page: list[RecordMoments] = []
        for _ in range(0, LOOKED, _TOGETHER):
            records, following = self.archive.find(where, limit=_TOGETHER, before=before)
            by_id = self.moments_of(records, rule)
            for record in filter(self._holds, map(self._moved, records)):
                if own := by_id.get(record.id):
                    if len(page) == limit:
                        return page, mark(page[-1].record)
                    page.append(RecordMoments(record, own))
            before = following
            if before is None:
                break
        return page, before

    def moments_of(self, records: Sequence[ArchiveRecord], rule: Rule) -> dict[str, tuple[Moment, ...]]:
        """The moments of some of its records, by their ids; those without any are left out.

        Raises:
            FilterError: nothing in the archive is called as the rule says.
        """
        recognized = isinstance(self.relative, AsRecognized)
        with self.archive.database.connect() as connection:
            names = Filter(rule=rule).resolved(connection).names or ()
            return of_records(connection, records, rule, names, mover=self._mover, recognized=recognized)

    def moments(self, rule: str | Rule) -> Iterator[RecordMoments]:
        """The records of all pages of `find_moments`."""
        before = None
        while True:
            page, before = self.find_moments(rule, limit=LOOKED, before=before)
            yield from page
            if before is None:
                return

    def without_segments(self, rule: str | Rule) -> int:
        """How many recognitions have no segments, so that nothing can be found in them."""
        where = replace(self.where, side=self.where.side or Rule.of(rule).side).allowed()
        with self.archive.database.connect() as connection:
            return count_without_segments(connection, where.resolved(connection).conditions())

    def stats(self) -> Stats:
        """As `Archive.stats`; the counts by emotion, and by the classes that it follows from, are relative."""
        if self.relative is None:
            return self.archive.stats(self.where)
        if _stored(self.where) != self.where:
            raise FilterError("with a baseline statistics can't be filtered by emotions: list or export them")
        totals = self.archive.stats(self.where)
        emotions: dict[str, int] = {}
        labels: dict[str, int] = {}
        for record in self.records():
            if record.emotion is not None:
                emotions[record.emotion] = emotions.get(record.emotion, 0) + 1
            if (own := record.readouts.get(EMOTION)) is not None and own.label is not None:
                labels[own.label] = labels.get(own.label, 0) + 1
        readouts = totals.readouts
        if labels and EMOTION in readouts:
            own_stats = replace(readouts[EMOTION], by_label=dict(sorted(labels.items())))
            readouts = {**readouts, EMOTION: own_stats}
        by_emotion = dict(sorted(emotions.items()))
        return replace(totals, by_emotion=by_emotion, readouts=readouts, relative_to=self.relative_to)

    def _moved(self, record: ArchiveRecord) -> ArchiveRecord:
        move = None if self.relative is None else self.relative.of(record)
        return record if move is None else move.record(record)

    @property
    def _is_moved(self) -> bool:
        """Whether scores are other than those that the archive has, or result.json."""
        return self.relative is not None and not isinstance(self.relative, AsRecognized)

    @property
    def _mover(self) -> Mover | None:
        relative = self.relative
        if relative is None:
            return None

        def moved(record: ArchiveRecord, row: Row) -> Row:
            move = relative.of(record)
            return row if move is None else move.segment(row)

        return moved

    def _holds(self, record: ArchiveRecord) -> bool:
        """Whether the part of the filter that a baseline changes holds of a record."""
        if self.relative is None:
            return True
        if self.where.emotion is not None and record.emotion != self.where.emotion:
            return False
        for item in filter(_of_emotions, self.where.comparisons):
            number = record.confidence if item.name == CONFIDENCE else (record.scores or {}).get(item.name)
            if number is None or not _OPERATORS[item.operator](number, float(item.value)):
                return False
        return True


def _of_emotions(comparison: Comparison) -> bool:
    """Whether it is of the nine, which a baseline moves."""
    return comparison.name in {*NAMES, CONFIDENCE}


def _stored(where: Filter) -> Filter:
    """The part of a filter that no baseline changes."""
    rest = tuple(item for item in where.comparisons if not _of_emotions(item))
    return replace(where, emotion=None, comparisons=rest)


def _check(archive: Archive, where: Filter) -> None:
    """Refuse what would compare raw scores while the others are moved."""
    known = {name.label for name in archive.reading_names() if name.readout == EMOTION}
    for item in where.comparisons:
        readout, _, label = item.name.partition(".")
        own = readout == EMOTION and (not label or label in {LABEL, CONFIDENCE} or label in known)
        if not _of_emotions(item) and (own or item.name in known):
            raise FilterError(
                f"filter {item.name}: with a baseline only the nine emotions can be compared, not the classes of "
                f"the readout {EMOTION}, which it moves, too"
            )
