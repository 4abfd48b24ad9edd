"""Corrections: what people say of segments, beside what a model had said.

A correction is of a recording, a channel and a stretch of time, not of a recognition: it holds of whatever segment
lies there when the recording is recognised again, and goes with the recording.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, case, delete, exists, func, insert, select

from emovox.archive.record import ArchiveRecord, clean
from emovox.archive.rows import RecordMapper, joined
from emovox.archive.schema import corrections, directories, recognitions, recordings, segments
from emovox.emotions import check_names
from emovox.errors import ArchiveError, UnknownEmotionError
from emovox.inference.recognition import ReadoutResult, Segment
from emovox.policy import policy

SAME = 0.5  # of the time that two stretches cover together: who share more than that are of the same segment
LONGEST = 100  # characters of a label
_PAGE = 1000


@dataclass(frozen=True)
class Correction:
    """What somebody said of a segment.

    Attributes:
        id: grows with each.
        sha256: of the recording.
        name: of the recording.
        channel: that was recognised alone, from 1; None: all together.
        start: seconds.
        end: seconds.
        label: what it is.
        said: what the model had said: its emotion, or the class of its own that led; None: nothing.
        confidence: with which.
        model: its name.
        revision: of the model.
        author: the name of the API key of who said it; None: no key was needed.
        created: when, with its time zone.
    """

    id: int
    sha256: str
    name: str | None
    channel: int | None
    start: float
    end: float
    label: str
    said: str | None
    confidence: float | None
    model: str
    revision: str
    author: str | None
    created: datetime

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "created": self.created.isoformat()}


@dataclass(frozen=True)
class Uncertain:
    """A segment that nobody has corrected, and of which the model is unsure.

    Attributes:
        record: its recognition, the latest of the recording.
        number: of the segment there, from 0.
        start: seconds.
        end: seconds.
        emotion: what the model said.
        confidence: with which.
    """

    record: ArchiveRecord
    number: int
    start: float
    end: float
    emotion: str
    confidence: float


class Corrections:
    """The corrections in an archive's database."""

    def __init__(self, database: Engine, mapper: RecordMapper) -> None:
        self._database, self._mapper = database, mapper

    def put(self, record: ArchiveRecord, segment: Segment, label: str, *, author: str | None = None) -> Correction:
        """Say what a segment is, instead of what was said of it before.

        Args:
            record: of the recognition whose segment it is.
            segment: as its result has it.
            label: one of the nine, English or Chinese, or any class of one's own.
            author: who says it; None: nobody need say who they are.

        Raises:
            ArchiveError: the label is empty, too long or not printable, or the recording isn't in the archive.
            PolicyError: the policy allows nothing but the talk time of this voice.
        """
        policy().check(record.side, "a correction")
        model_label, confidence = said_of(segment)
        row = {
            "recording": record.sha256, "channel": segment.channel, "start": segment.start, "end": segment.end,
            "label": check_label(label), "said": model_label, "confidence": confidence, "model": record.model,
            "revision": record.revision, "author": author, "created": datetime.now().timestamp(),
        }  # fmt: skip
        with self._database.begin() as connection:
            self._take_out(connection, record.sha256, segment)
            id_ = connection.execute(insert(corrections).values(row).returning(corrections.c.id)).scalar_one()
            return self._correction(connection.execute(_all().where(corrections.c.id == id_)).mappings().one())

    def remove(self, record: ArchiveRecord, segment: Segment) -> bool:
        """Take back what was said of a segment; False: nothing was."""
        with self._database.begin() as connection:
            return self._take_out(connection, record.sha256, segment) > 0

    def of(self, record: ArchiveRecord) -> list[Correction]:
        """Those of what was recognised, in the order of their time."""
        query = _all().where(corrections.c.recording == record.sha256, corrections.c.channel.is_not_distinct_from(
            record.channel
        ))  # fmt: skip
        with self._database.connect() as connection:
            rows = connection.execute(query.where(*_allowed()).order_by(corrections.c.start)).mappings().all()
        return [self._correction(row) for row in rows]

    def label(self, record: ArchiveRecord, segments: Sequence[Segment]) -> list[Segment]:
        """Segments of what was recognised with the labels that people gave them."""
        labels = labels_of(segments, self.of(record))
        return [
            segment if item is None else segment.model_copy(update={"label": item.label})
            for segment, item in zip(segments, labels, strict=True)
        ]

    def page(
        self, *, label: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[list[Correction], int | None]:
        """A page of all, latest first.

        Args:
            label: only these.
            limit: of the page.
            before: where it begins, as the previous page gave it.

        Returns:
            The page, and the `before` of the next one, if there is one.
        """
        query = _all().where(*_allowed()).order_by(corrections.c.id.desc()).limit(limit + 1)
        if label is not None:
            query = query.where(corrections.c.label == clean(label))
        if before is not None:
            query = query.where(corrections.c.id < before)
        with self._database.connect() as connection:
            rows = connection.execute(query).mappings().all()
        return [self._correction(row) for row in rows[:limit]], rows[limit - 1]["id"] if len(
            rows
        ) > limit else None

    def all(self) -> Iterator[Correction]:
        """Those of all pages of `page`."""
        page, before = self.page(limit=_PAGE)
        yield from page
        while before is not None:
            page, before = self.page(limit=_PAGE, before=before)
            yield from page

    def counts(self) -> dict[str, int]:
        """How many there are of each label, the most first."""
        number = func.count()
        query = select(corrections.c.label, number).where(*_allowed()).group_by(corrections.c.label)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(number.desc(), corrections.c.label)).all()
        return {row[0]: row[1] for row in rows}

    def least_certain(
        self, *, limit: int = 50, after: str | None = None, root: Path | None = None
    ) -> tuple[list[Uncertain], str | None]:
        """A page of segments to be looked at next: those of the lowest confidence, of all recordings.

        Of a recording that was recognised several times the latest counts. Segments of models without the nine
        have no confidence here, and aren't among them.

        Args:
            limit: of the page.
            after: where it begins, as the previous page gave it.
            root: only of what has an outputs directory there.

        Returns:
            The page, and the `after` of the next one, if there is one.

        Raises:
            ArchiveError: no page gives such an `after`.
        """
        later, withheld = recognitions.alias("later"), policy().withheld
        newer = (later.c.created > recognitions.c.created) | (
            (later.c.created == recognitions.c.created) & (later.c.id > recognitions.c.id)
        )
        same = (later.c.recording == recognitions.c.recording) & later.c.channel.is_not_distinct_from(
            recognitions.c.channel
        )
        conditions = [segments.c.confidence.is_not(None), ~exists().where(same, newer), ~_corrected()]
        if withheld:
            conditions.append(recognitions.c.side.is_(None) | recognitions.c.side.not_in(sorted(withheld)))
        if root is not None:
            own = directories.c.recognition == recognitions.c.id
            conditions.append(exists().where(own, directories.c.parent == self._mapper.stored(root)))
        order = (segments.c.confidence, segments.c.recognition, segments.c.number)
        if after is not None:
            conditions.append(_behind(order, after))
        columns = (segments.c.number, segments.c.start, segments.c.end, segments.c.emotion, segments.c.confidence)
        query = joined().join(segments).add_columns(*(column.label(f"own_{column.name}") for column in columns))
        with self._database.connect() as connection:
            query = query.where(*conditions).order_by(*order).limit(limit + 1)
            rows = connection.execute(query).mappings().all()
        page = [
            Uncertain(self._mapper.record(row), *(row[f"own_{column.name}"] for column in columns))
            for row in rows[:limit]
        ]
        last = page[-1] if len(rows) > limit else None
        return page, None if last is None else f"{last.confidence!r}:{last.record.id}:{last.number}"

    def _take_out(self, connection: Connection, sha256: str, segment: Segment) -> int:
        # Held, so that two who correct one segment at the same moment don't leave two corrections of it.
        held = select(recordings.c.sha256).where(recordings.c.sha256 == sha256).with_for_update()
        if connection.scalar(held) is None:
            raise ArchiveError("the archive has no such recording")
        own = corrections.c.recording == sha256, corrections.c.channel.is_not_distinct_from(segment.channel)
        same = _same(corrections.c.start, corrections.c.end, segment.start, segment.end)
        return connection.execute(delete(corrections).where(*own, same)).rowcount

    @staticmethod
    def _correction(row: RowMapping) -> Correction:
        created = datetime.fromtimestamp(row["created"]).astimezone()
        return Correction(**{**row, "sha256": row["sha256"], "created": created})


def check_label(label: str) -> str:
    """A label as it is kept: one of the nine by its English name, another as it is written.

    Raises:
        ArchiveError: it is empty, too long or not printable.
    """
    label = label.strip()
    if not label or len(label) > LONGEST or not label.isprintable():
        raise ArchiveError(f"a label has 1 to {LONGEST} printable characters")
    try:
        [name] = check_names([label.lower()])
    except UnknownEmotionError:
        return label
    return name


def said_of(segment: Segment) -> tuple[str | None, float | None]:
    """What a model said of a segment: its emotion, or the class of its own that led; and the confidence."""
    if segment.emotion is not None:
        return segment.emotion, segment.confidence
    own: ReadoutResult | None = next(
        (item for item in segment.readouts.values() if item.label is not None and item.created_at is None), None
    )
    return (None, None) if own is None else (own.label, own.confidence)


def overlap(start: float, end: float, other_start: float, other_end: float) -> float:
    """The share of what two stretches cover together that is in both: 0 to 1."""
    both = min(end, other_end) - max(start, other_start)
    return max(0.0, both) / max(end - start, other_end - other_start, end - other_start, other_end - start)


def labels_of(segments: Sequence[Segment], items: Sequence[Correction]) -> list[Correction | None]:
    """The correction that holds of each segment: the one that shares most with it, if that is over `SAME`."""

    def share(segment: Segment, item: Correction) -> float:
        return overlap(segment.start, segment.end, item.start, item.end)

    labels: list[Correction | None] = [None] * len(segments)
    first = 0  # both are in the order of their time
    ordered = sorted(items, key=lambda item: item.start)
    longest = max((item.end - item.start for item in ordered), default=0.0)
    for number, segment in enumerate(segments):
        while first < len(ordered) and ordered[first].start + longest <= segment.start:
            first += 1
        near = []
        for item in ordered[first:]:
            if item.start >= segment.end:
                break
            near.append(item)
        best = max(near, key=lambda item: share(segment, item), default=None)
        labels[number] = best if best is not None and share(segment, best) > SAME else None
    return labels


def _all() -> Any:
    columns = [column for column in corrections.c if column.name != "recording"]
    table = corrections.join(recordings, corrections.c.recording == recordings.c.sha256)
    return select(recordings.c.sha256, recordings.c.name, *columns).select_from(table)


def _same(start: Any, end: Any, other_start: Any, other_end: Any) -> ColumnElement[bool]:
    """`overlap` above `SAME`, as SQL; of stretches that share anything the whole is from the first to the last."""
    both = case((end < other_end, end), else_=other_end) - case((start > other_start, start), else_=other_start)
    whole = case((end > other_end, end), else_=other_end) - case((start < other_start, start), else_=other_start)
    return both > SAME * whole


def _corrected() -> ColumnElement[bool]:
    """Whether a segment of a recognition has a correction."""
    return exists().where(
        corrections.c.recording == recognitions.c.recording,
        corrections.c.channel.is_not_distinct_from(segments.c.channel),
        _same(corrections.c.start, corrections.c.end, segments.c.start, segments.c.end),
    )


def _allowed() -> list[ColumnElement[bool]]:
    """Without those of voices of which the policy allows nothing but talk time."""
    if not (withheld := policy().withheld):
        return []
    own = corrections.c.recording == recognitions.c.recording
    channel = corrections.c.channel.is_not_distinct_from(recognitions.c.channel)
    return [~exists().where(own, channel, recognitions.c.side.in_(sorted(withheld)))]


def _behind(order: tuple[ColumnElement[Any], ...], after: str) -> ColumnElement[bool]:
    confidence, recognition, number = order
    try:
        first, id_, last = after.split(":")
        value, position = float(first), int(last)
    except ValueError:
        raise ArchiveError("after: give what the previous page gave") from None
    return (confidence > value) | (
        (confidence == value) & ((recognition > id_) | ((recognition == id_) & (number > position)))
    )
