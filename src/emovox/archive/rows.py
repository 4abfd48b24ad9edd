"""Rows: how entries stand in the database's tables."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from emovox.archive.database import embeddings, recognitions, recordings, segments, spaces
from emovox.archive.record import ArchiveRecord, Floats, clean
from emovox.archive.stored_record import RecordReader
from emovox.emotions import NAMES

WHOLE = -1  # the `segment` of an embedding that is the whole recording's
RECORDING, SEGMENT = "recording", "segment"
SpaceKey = tuple[str, str, int, str]
"""Model, the revision that its embeddings go by, dimensions, kind."""


def insert(connection: Connection, table: Table, values: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that aren't there."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    if values:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), values)


def of_recording(record: ArchiveRecord) -> dict[str, Any]:
    """The recording's."""
    return {
        "sha256": record.sha256,
        "name": _text(record.name),
        "link": _text(record.link),
        "duration": record.duration,
        "sample_rate": record.sample_rate,
        "channels": record.channels,
        "codec": record.codec,
        "created": record.created.timestamp(),
    }


def of_recognition(record: ArchiveRecord) -> dict[str, Any]:
    """The recognition's, but for its outputs directory."""
    return {
        "id": record.id,
        "recording": record.sha256,
        "created": record.created.timestamp(),
        "day": record.day,
        "model": _text(record.model),
        "revision": _text(record.revision),
        "precision": record.precision,
        "checksum": record.checksum,
        "granularity": _text(record.granularity),
        "channel": record.channel,
        "emotion": record.emotion,
        "confidence": record.confidence,
        **dict(zip(NAMES, record.scores, strict=True)),
        "speech": record.speech,
        "warnings": " ".join(record.warnings),
        "emovox": record.emovox,
    }


def of_segments(record: ArchiveRecord) -> Iterator[dict[str, Any]]:
    """The segments'."""
    for number, item in enumerate(record.segments):
        yield {
            "recognition": record.id,
            "number": number,
            "start": item.start,
            "end": item.end,
            "emotion": item.emotion,
            "confidence": item.confidence,
            **dict(zip(NAMES, item.scores, strict=True)),
            "channel": item.channel,
        }


def vectors(record: ArchiveRecord) -> Iterator[tuple[SpaceKey, int, bytes]]:
    """The embeddings: each with its space and its segment's number."""
    if record.embedding is not None:
        yield (
            (record.model, record.embeddings_of, len(record.embedding), RECORDING),
            WHOLE,
            content(record.embedding),
        )
    for number, item in enumerate(record.segments):
        if item.embedding is not None:
            space = (record.model, record.embeddings_of, len(item.embedding), SEGMENT)
            yield space, number, content(item.embedding)


def lock_spaces(connection: Connection, wanted: Iterable[SpaceKey]) -> dict[SpaceKey, int]:
    """The numbers of spaces, made where they are new, and held against others until the transaction ends."""
    found: dict[SpaceKey, int] = {}
    for space in sorted(wanted):
        named = dict(zip(("model", "revision", "dimensions", "kind"), space, strict=True))
        insert(connection, spaces, [{**named, "token": secrets.token_hex(8), "deletions": 0}])
        chosen = select(spaces.c.id).where(*(spaces.c[name] == value for name, value in named.items()))
        found[space] = connection.execute(chosen.with_for_update()).scalar_one()
    return found


def content(vector_: Floats) -> bytes:
    """A vector as it is kept."""
    return vector_.astype("<f2").tobytes()


def vector(kept: bytes) -> Floats:
    """A vector that was kept, float32 (D,)."""
    return np.frombuffer(kept, "<f2").astype(np.float32)


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value)


def keep(connection: Connection, batch: Sequence[ArchiveRecord], reader: RecordReader) -> int:
    """Keep entries that are not there yet; gives how many are new. What has moved is noted."""
    batch = _as_known(connection, batch)
    # Spaces come first: that holds whoever else writes back until this is committed, so the ids of a space's
    # embeddings are seen in their order, and who saw the last has seen all.
    numbers = lock_spaces(connection, {key for record in batch for key, _, _ in vectors(record)})
    known = {
        row.id: row.outputs
        for row in connection.execute(
            select(recognitions.c.id, recognitions.c.outputs).where(
                recognitions.c.id.in_([record.id for record in batch])
            )
        )
    }
    new = sorted(
        (record for record in batch if record.id not in known), key=lambda record: (record.sha256, record.id)
    )
    insert(connection, recordings, [of_recording(record) for record in new])
    for sha256, link in {record.sha256: record.link for record in new if record.link}.items():
        # An outputs directory that was imported before didn't say where its recording was.
        found = update(recordings).where(recordings.c.sha256 == sha256, recordings.c.link.is_(None))
        connection.execute(found.values(link=_text(link)))
    insert(
        connection,
        recognitions,
        [
            {
                **of_recognition(record),
                "outputs": None if record.outputs is None else reader.stored(record.outputs),
            }
            for record in new
        ],
    )
    insert(connection, segments, [row for record in new for row in of_segments(record)])
    insert(
        connection,
        embeddings,
        [
            {"recognition": record.id, "segment": number, "space": numbers[key], "vector": content}
            for record in (*new, *(record for record in batch if record.id in known))
            for key, number, content in vectors(record)
        ],
    )
    for record in batch:  # a directory that was moved
        before = known.get(record.id)
        if record.outputs is None or before is None or before == reader.stored(record.outputs):
            continue
        if not reader.resolved(before).exists():
            moved = update(recognitions).where(recognitions.c.id == record.id)
            connection.execute(moved.values(outputs=reader.stored(record.outputs)))
    return len(new)


def _as_known(connection: Connection, batch: Sequence[ArchiveRecord]) -> list[ArchiveRecord]:
    """Entries, with their earlier ids where the archive has their recordings' recognitions under those."""
    earlier = {record.earlier_id for record in batch if record.earlier_id is not None}
    query = select(recognitions.c.id, recognitions.c.recording).where(recognitions.c.id.in_(earlier))
    pairs = {(row.id, row.recording) for row in connection.execute(query)} if earlier else set()
    return [
        replace(record, id=record.earlier_id)
        if record.earlier_id is not None and (record.earlier_id, record.sha256) in pairs
        else record
        for record in batch
    ]
