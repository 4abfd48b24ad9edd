"""Rows: how records stand in the database's tables, and how they come back."""

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, RowMapping, Select, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from emovox.archive import readings
from emovox.archive.database import HIDDEN
from emovox.archive.record import ArchiveRecord, Floats, clean
from emovox.archive.schema import directories, embeddings, recognitions, recordings, segments, spaces, tags
from emovox.emotions import NAMES
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.summary import Brief
from emovox.outputs import RESULT
from emovox.policy import Ruling

WHOLE = -1  # the `segment` of an embedding that is the whole recording's
RECORDING, SEGMENT = "recording", "segment"
SpaceKey = tuple[str, str, int, str]
"""Model, the revision whose embeddings they are, dimensions, kind."""

_SUMMARIES = ("summary", "summary_recognized")
_CONVERTED = {"created", "warnings", "outputs", "baseline", "emotions", "policy", *_SUMMARIES}
_COLUMNS = [*(column for column in recordings.c if column.name != "created"), *recognitions.c]
_PLAIN = {field.name for field in fields(ArchiveRecord)} & {column.name for column in _COLUMNS} - _CONVERTED
_MANY = 500  # values in one IN
_NAME = re.compile(r"outputs_(\d{8}_\d{6})((?:_channel\d+)?(?:_(\d{1,6}))?)")


class RecordMapper:
    """Turns records into rows of a database and back; paths are relative to an SQLite file if they can be."""

    def __init__(self, database: Engine) -> None:
        file = database.url.database if database.dialect.name == "sqlite" else None
        directory = None if file is None else Path(file).absolute().parent
        self._base = directory.parent if directory is not None and directory.name == HIDDEN else directory

    def row(self, table: Table, record: ArchiveRecord) -> dict[str, Any]:
        """A record's row of `recordings` or `recognitions`: a column is the field of its name, but for some."""
        cells = {
            "recording": record.sha256,
            "created": record.created.timestamp(),
            "warnings": " ".join(record.warnings),
            "outputs": None if record.outputs is None else self.stored(record.outputs),
            **_scores(record.scores),
            **_baseline(record),
            "policy": None if record.policy is None else record.policy.model_dump_json(),
            **_summaries(record),
        }
        if table is directories and record.outputs is not None:
            cells |= self._directory(record, record.outputs)
        names = [column.name for column in table.c]
        return {name: cells[name] if name in cells else _text(getattr(record, name)) for name in names}

    def _directory(self, record: ArchiveRecord, path: Path) -> dict[str, Any]:
        modified = 0
        with suppress(OSError):
            modified = (path / RESULT).stat().st_mtime_ns
        return {
            "path": self.stored(path),
            "parent": self.stored(path.parent),
            "position": position(path.name),
            "recognition": record.id,
            "modified": modified,
        }

    def records(self, connection: Connection, query: Select[Any]) -> list[ArchiveRecord]:
        """The records of a query of `joined`, with their readings and the tags of their recordings."""
        rows = connection.execute(query).mappings().all()
        names = tags_of(connection, {row["sha256"] for row in rows})
        numbers = readings_of(connection, (row["id"] for row in rows))
        return [self.record(row, names.get(row["sha256"], ()), numbers.get(row["id"], ())) for row in rows]

    def stored(self, path: Path) -> str:
        """A path as it is stored: relative to where an SQLite file is, so that both can be moved together."""
        whole = Path(clean(os.path.abspath(path)))  # noqa: PTH100  links stay as they are
        if self._base is not None and whole.is_relative_to(self._base):
            return whole.relative_to(self._base).as_posix()
        return str(whole)

    def resolved(self, text: str) -> Path:
        """The path that is stored so."""
        return Path(text) if self._base is None else self._base / text

    def record(
        self, row: RowMapping, names: Iterable[str] = (), numbers: Iterable[RowMapping] = ()
    ) -> ArchiveRecord:
        """The record of a row of `joined`, with these tags and readings."""
        return ArchiveRecord(
            **{name: row[name] for name in _PLAIN},
            created=datetime.fromtimestamp(row["created"]).astimezone(),
            scores=None if row["emotion"] is None else {name: row[name] for name in NAMES},
            readouts=readings.results(numbers),
            warnings=tuple(row["warnings"].split()),
            outputs=None if row["outputs"] is None else self.resolved(row["outputs"]),
            tags=tuple(names),
            baseline=_baseline_facts(row),
            emotions=None if row["emotions"] is None else json.loads(row["emotions"]),
            policy=None if row["policy"] is None else Ruling.model_validate_json(row["policy"]),
            summary=_brief(row["summary"]),
            summary_recognized=_brief(row["summary_recognized"]),
        )


def _brief(text: str | None) -> Brief | None:
    return None if text is None else Brief.model_validate_json(text)


def _summaries(record: ArchiveRecord) -> dict[str, str | None]:
    briefs = {name: getattr(record, name) for name in _SUMMARIES}
    return {name: None if brief is None else _text(brief.model_dump_json()) for name, brief in briefs.items()}


def position(name: str) -> str:
    """By which an outputs directory stands among those of its parent: by its time, then by its number."""
    match = _NAME.fullmatch(name)
    return name if match is None else f"{match[1]}_{int(match[3] or 1):06}{match[2]}"


def joined() -> Select[Any]:
    """The query of all recognitions with their recordings."""
    return select(*_COLUMNS).select_from(recognitions.join(recordings))


def tags_of(connection: Connection, sha256s: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The tags of recordings, sorted, by their checksums; those without any are left out."""
    names: dict[str, tuple[str, ...]] = {}
    for part in parts(sha256s):
        for tag in connection.execute(select(tags).where(tags.c.recording.in_(part)).order_by(tags.c.name)):
            names[tag.recording] = (*names.get(tag.recording, ()), tag.name)
    return names


def readings_of(connection: Connection, ids: Iterable[str]) -> dict[str, list[RowMapping]]:
    """The rows of `readings` of recognitions, in their order."""
    table = readings.readings
    numbers: dict[str, list[RowMapping]] = {}
    for part in parts(ids):
        query = select(table).where(table.c.recognition.in_(part)).order_by(table.c.recognition, table.c.position)
        for row in connection.execute(query).mappings():
            numbers.setdefault(row["recognition"], []).append(row)
    return numbers


def parts(values: Iterable[str]) -> Iterator[list[str]]:
    """Values, sorted, as many at once as a query takes."""
    remaining = iter(sorted(values))
    while part := list(islice(remaining, _MANY)):
        yield part


def insert(connection: Connection, table: Table, values: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that aren't in the table."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    if values:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), values)


def of_segments(record: ArchiveRecord) -> Iterator[dict[str, Any]]:
    """The rows of a record's segments."""
    for number, item in enumerate(record.segments):
        yield {
            "recognition": record.id,
            "number": number,
            "start": item.start,
            "end": item.end,
            "emotion": item.emotion,
            "confidence": item.confidence,
            **_scores(item.scores),
            "channel": item.channel,
            "values": _text(json.dumps(item.values)) if item.values else None,
        }


def segment(row: RowMapping) -> dict[str, Any]:
    """A segment of its row, as `Archive.segments` gives it."""
    values = {} if row["values"] is None else json.loads(row["values"])
    return {key: value for key, value in row.items() if key != "recognition"} | {"values": values}


def vectors(record: ArchiveRecord) -> Iterator[tuple[SpaceKey, int, bytes]]:
    """A record's embeddings: each with its space and its segment's number."""
    if record.embedding is not None:
        space = (record.model, record.embeddings_of, len(record.embedding), RECORDING)
        yield space, WHOLE, packed(record.embedding)
    for number, item in enumerate(record.segments):
        if item.embedding is not None:
            space = (record.model, record.embeddings_of, len(item.embedding), SEGMENT)
            yield space, number, packed(item.embedding)


def lock_spaces(connection: Connection, keys: Iterable[SpaceKey]) -> dict[SpaceKey, int]:
    """The numbers of spaces, made where they are new, and held against others until the transaction ends."""
    numbers: dict[SpaceKey, int] = {}
    for key in sorted(keys):
        values = dict(zip(("model", "revision", "dimensions", "kind"), key, strict=True))
        insert(connection, spaces, [{**values, "token": secrets.token_hex(8), "deletions": 0}])
        query = select(spaces.c.id).where(*(spaces.c[name] == value for name, value in values.items()))
        numbers[key] = connection.execute(query.with_for_update()).scalar_one()
    return numbers


def advice(model: str, keys: Iterable[tuple[str, str]]) -> str:
    """What to do where there are embeddings by another revision of a model alone; empty: there are none.

    Args:
        model: its name.
        keys: model and revision of those that there are.
    """
    others = sorted({f"{model}@{revision}" for name, revision in keys if name == model and revision})
    if not others:
        return ""
    return f". `emovox archive upgrade` infers those again; --model {' or '.join(others)} compares with them"


def packed(vector: Floats) -> bytes:
    """A vector as it is stored."""
    return vector.astype("<f2").tobytes()


def unpacked(content: bytes) -> Floats:
    """A vector as it was stored, float32 (D,)."""
    return np.frombuffer(content, "<f2").astype(np.float32)


class Replacement(NamedTuple):
    """A record and what takes its place, with all the outputs directories that have it."""

    old: str
    new: ArchiveRecord
    directories: tuple[Path, ...]


def replace_records(connection: Connection, batch: Sequence[Replacement], mapper: RecordMapper) -> int:
    """Put records in the place of others; those that have been deleted since aren't. Gives how many."""
    ids = [item.old for item in batch]
    stored_ids = set(connection.scalars(select(recognitions.c.id).where(recognitions.c.id.in_(ids))))
    count_deletions(connection, sorted(stored_ids))
    connection.execute(delete(recognitions).where(recognitions.c.id.in_(stored_ids)))
    items = [item for item in batch if item.old in stored_ids]
    keep(connection, [item.new for item in items], mapper)
    copies = [replace(item.new, outputs=path) for item in items for path in item.directories]
    _keep_directories(connection, copies, mapper)
    return len(items)


def count_deletions(connection: Connection, ids: Sequence[str]) -> None:
    """Note of each space how many of its embeddings will be deleted with recognitions."""
    for part in parts(ids):
        counts = (
            select(embeddings.c.space, func.count())
            .where(embeddings.c.recognition.in_(part))
            .group_by(embeddings.c.space)
            .order_by(embeddings.c.space)
        )
        for space, deleted in connection.execute(counts).all():
            row = update(spaces).where(spaces.c.id == space)
            connection.execute(row.values(deletions=spaces.c.deletions + deleted))


def keep(connection: Connection, batch: Sequence[ArchiveRecord], mapper: RecordMapper) -> int:
    """Add the records that aren't in the archive, and note which outputs have moved; gives how many are new."""
    copies = _with_known_ids(connection, batch)
    batch = list({record.id: record for record in copies}.values())
    # Spaces come first: that holds whoever else writes back until this is committed, so the ids of a space's
    # embeddings are seen in their order, and who saw the last has seen all.
    numbers = lock_spaces(connection, {key for record in batch for key, _, _ in vectors(record)})
    ids = [record.id for record in batch]
    query = select(recognitions.c.id, recognitions.c.outputs).where(recognitions.c.id.in_(ids))
    outputs_by_id = {row.id: row.outputs for row in connection.execute(query)}
    new = sorted(
        (record for record in batch if record.id not in outputs_by_id), key=lambda item: (item.sha256, item.id)
    )
    insert(connection, recordings, [mapper.row(recordings, record) for record in new])
    for sha256, link in {record.sha256: record.link for record in new if record.link}.items():
        # An outputs directory that was imported earlier didn't say where its recording was.
        linkless = update(recordings).where(recordings.c.sha256 == sha256, recordings.c.link.is_(None))
        connection.execute(linkless.values(link=_text(link)))
    insert(connection, recognitions, [mapper.row(recognitions, record) for record in new])
    insert(connection, readings.readings, [row for record in new for row in readings.of_record(record)])
    insert(connection, segments, [row for record in new for row in of_segments(record)])
    insert(
        connection,
        embeddings,
        [
            {"recognition": record.id, "segment": number, "space": numbers[key], "vector": content}
            for record in (*new, *(record for record in batch if record.id in outputs_by_id))
            for key, number, content in vectors(record)
        ],
    )
    for record in batch:
        if record.id in outputs_by_id:
            _complete(connection, record)
        before = outputs_by_id.get(record.id)
        if record.outputs is None or before is None or before == mapper.stored(record.outputs):
            continue
        if not mapper.resolved(before).exists():
            moved = update(recognitions).where(recognitions.c.id == record.id)
            connection.execute(moved.values(outputs=mapper.stored(record.outputs)))
    _keep_directories(connection, copies, mapper)
    return len(new)


def _complete(connection: Connection, record: ArchiveRecord) -> None:
    """Add to a known recognition what earlier versions didn't keep: its summary, values of its segments."""
    if record.summary is not None:
        bare = update(recognitions).where(recognitions.c.id == record.id, recognitions.c.summary.is_(None))
        connection.execute(bare.values(**_summaries(record)))
    for row in of_segments(record):
        if row["values"] is not None:
            own = (segments.c[name] == row[name] for name in ("recognition", "number"))
            empty = update(segments).where(*own, segments.c["values"].is_(None))
            connection.execute(empty.values({"values": row["values"]}))


def _keep_directories(connection: Connection, batch: Sequence[ArchiveRecord], mapper: RecordMapper) -> None:
    """Add the outputs directories of records; one that is known has what was read last."""
    rows = {}
    for record in batch:
        if record.outputs is not None:
            row = mapper.row(directories, record)
            rows[row["path"]] = row
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = dialect.insert(directories)
    changes = {name: added.excluded[name] for name in ("recognition", "modified", "name", "duration")}
    upsert = added.on_conflict_do_update(index_elements=["path"], set_=changes)
    connection.execute(upsert, [rows[path] for path in sorted(rows)])


def _with_known_ids(connection: Connection, batch: Sequence[ArchiveRecord]) -> list[ArchiveRecord]:
    """Records, by their earlier ids where the archive has the recognitions of their recordings under those."""
    earlier = {record.earlier_id for record in batch if record.earlier_id is not None}
    query = select(recognitions.c.id, recognitions.c.recording).where(recognitions.c.id.in_(earlier))
    pairs = {(row.id, row.recording) for row in connection.execute(query)} if earlier else set()
    return [
        replace(record, id=record.earlier_id)
        if record.earlier_id is not None and (record.earlier_id, record.sha256) in pairs
        else record
        for record in batch
    ]


def _scores(scores: dict[str, float] | None) -> dict[str, float | None]:
    return {**dict.fromkeys(NAMES), **(scores or {})}


def _baseline(record: ArchiveRecord) -> dict[str, Any]:
    """The cells of the baseline that it was recognised with, and of what the labels of its shift mean."""
    facts = record.baseline
    return {
        "baseline": None if facts is None else clean(facts.name),
        "baseline_count": None if facts is None else facts.count,
        "baseline_checksum": None if facts is None else facts.checksum,
        "baseline_expectation": None if facts is None else json.dumps(facts.expectation),
        "baseline_shift": None if facts is None else json.dumps(facts.shift),
        "baseline_temperatures": None if facts is None else json.dumps(facts.temperatures),
        "emotions": None if record.emotions is None else json.dumps(record.emotions),
    }


def _baseline_facts(row: RowMapping) -> BaselineFacts | None:
    if row["baseline"] is None:
        return None
    return BaselineFacts.model_construct(  # checked when it was archived
        name=row["baseline"],
        count=row["baseline_count"],
        checksum=row["baseline_checksum"],
        expectation=json.loads(row["baseline_expectation"]),
        shift=json.loads(row["baseline_shift"]),
        temperatures=tuple(map(tuple, json.loads(row["baseline_temperatures"]))),
    )


def _text(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value
