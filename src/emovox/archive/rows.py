"""Rows: how entries stand in the database's tables."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from emovox.archive.database import embeddings, recognitions, recordings, segments, spaces
from emovox.archive.record import Entry, Floats, clean
from emovox.archive.stored_record import Reader
from emovox.emotions import NAMES

WHOLE = -1  # the `segment` of an embedding that is the whole recording's
RECORDING, SEGMENT = "recording", "segment"
Space = tuple[str, str, int, str]
"""Model, the revision that its embeddings go by, dimensions, kind."""


def insert(connection: Connection, table: Table, values: Sequence[dict[str, Any]]) -> None:
    """Insert the rows that aren't there."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    if values:
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), values)


def of_recording(entry: Entry) -> dict[str, Any]:
    """The recording's."""
    return {
        "sha256": entry.sha256,
        "name": _text(entry.name),
        "link": _text(entry.link),
        "duration": entry.duration,
        "sample_rate": entry.sample_rate,
        "channels": entry.channels,
        "codec": entry.codec,
        "created": entry.created.timestamp(),
    }


def of_recognition(entry: Entry) -> dict[str, Any]:
    """The recognition's, but for its outputs directory."""
    return {
        "id": entry.id,
        "recording": entry.sha256,
        "created": entry.created.timestamp(),
        "day": entry.day,
        "model": _text(entry.model),
        "revision": _text(entry.revision),
        "precision": entry.precision,
        "checksum": entry.checksum,
        "granularity": _text(entry.granularity),
        "channel": entry.channel,
        "emotion": entry.emotion,
        "confidence": entry.confidence,
        **dict(zip(NAMES, entry.scores, strict=True)),
        "warnings": " ".join(entry.warnings),
        "emovox": entry.emovox,
    }


def of_segments(entry: Entry) -> Iterator[dict[str, Any]]:
    """The segments'."""
    for number, item in enumerate(entry.segments):
        yield {
            "recognition": entry.id,
            "number": number,
            "start": item.start,
            "end": item.end,
            "emotion": item.emotion,
            "confidence": item.confidence,
            **dict(zip(NAMES, item.scores, strict=True)),
            "channel": item.channel,
        }


def vectors(entry: Entry) -> Iterator[tuple[Space, int, bytes]]:
    """The embeddings: each with its space and its segment's number."""
    if entry.embedding is not None:
        yield (entry.model, entry.embeddings_of, len(entry.embedding), RECORDING), WHOLE, content(entry.embedding)
    for number, item in enumerate(entry.segments):
        if item.embedding is not None:
            space = (entry.model, entry.embeddings_of, len(item.embedding), SEGMENT)
            yield space, number, content(item.embedding)


def lock_spaces(connection: Connection, wanted: Iterable[Space]) -> dict[Space, int]:
    """The numbers of spaces, made where they are new, and held against others until the transaction ends."""
    found: dict[Space, int] = {}
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


def keep(connection: Connection, batch: Sequence[Entry], reader: Reader) -> int:
    """Keep entries that are not there yet; gives how many are new. What has moved is noted."""
    batch = _as_known(connection, batch)
    # Spaces come first: that holds whoever else writes back until this is committed, so the ids of a space's
    # embeddings are seen in their order, and who saw the last has seen all.
    numbers = lock_spaces(connection, {key for entry in batch for key, _, _ in vectors(entry)})
    known = {
        row.id: row.outputs
        for row in connection.execute(
            select(recognitions.c.id, recognitions.c.outputs).where(
                recognitions.c.id.in_([entry.id for entry in batch])
            )
        )
    }
    new = sorted((entry for entry in batch if entry.id not in known), key=lambda entry: (entry.sha256, entry.id))
    insert(connection, recordings, [of_recording(entry) for entry in new])
    for sha256, link in {entry.sha256: entry.link for entry in new if entry.link}.items():
        # An outputs directory that was imported before didn't say where its recording was.
        found = update(recordings).where(recordings.c.sha256 == sha256, recordings.c.link.is_(None))
        connection.execute(found.values(link=_text(link)))
    insert(
        connection,
        recognitions,
        [
            {
                **of_recognition(entry),
                "outputs": None if entry.outputs is None else reader.stored(entry.outputs),
            }
            for entry in new
        ],
    )
    insert(connection, segments, [row for entry in new for row in of_segments(entry)])
    insert(
        connection,
        embeddings,
        [
            {"recognition": entry.id, "segment": number, "space": numbers[key], "vector": content}
            for entry in (*new, *(entry for entry in batch if entry.id in known))
            for key, number, content in vectors(entry)
        ],
    )
    for entry in batch:  # a directory that was moved
        before = known.get(entry.id)
        if entry.outputs is None or before is None or before == reader.stored(entry.outputs):
            continue
        if not reader.resolved(before).exists():
            moved = update(recognitions).where(recognitions.c.id == entry.id)
            connection.execute(moved.values(outputs=reader.stored(entry.outputs)))
    return len(new)


def _as_known(connection: Connection, batch: Sequence[Entry]) -> list[Entry]:
    """Entries, with their earlier ids where the archive has their recordings' recognitions under those."""
    earlier = {entry.earlier_id for entry in batch if entry.earlier_id is not None}
    query = select(recognitions.c.id, recognitions.c.recording).where(recognitions.c.id.in_(earlier))
    pairs = {(row.id, row.recording) for row in connection.execute(query)} if earlier else set()
    return [
        replace(entry, id=entry.earlier_id)
        if entry.earlier_id is not None and (entry.earlier_id, entry.sha256) in pairs
        else entry
        for entry in batch
    ]
