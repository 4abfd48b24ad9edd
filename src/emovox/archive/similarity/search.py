"""Search: the archive's embeddings that are nearest to one."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, insert, select

from emovox.archive import rows
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord, Floats
from emovox.archive.schema import embeddings, fits, recognitions, segments, spaces
from emovox.archive.similarity.pgvector import PostgresIndex
from emovox.archive.similarity.space import Space, all_spaces, find_space
from emovox.archive.similarity.vector_file import Ids, VectorFile
from emovox.archive.similarity.whitening import Whitening, fit, unit
from emovox.errors import ArchiveError

SAMPLE = 50_000  # rows that a fit is made from at most
_BLOCK = 4096  # rows that are read at once
# A filter is tried on so many times k first, which usually leaves k of them; and on so many at most.
_TRIED, _MOST_TRIED = 30, 10_000


@dataclass(frozen=True)
class Hit:
    """A near embedding."""

    recognition: str
    similarity: float
    cosine: float
    segment: dict[str, Any] | None


@dataclass(frozen=True)
class Neighbour:
    """A near recording, or segment of one.

    Attributes:
        record: the recognition.
        similarity: cosine of the embeddings centred and whitened, or raw where that was asked for.
        cosine: of the embeddings as the model gives them.
        segment: its number, start and end (seconds), emotion and confidence, where segments were looked for.
    """

    record: ArchiveRecord
    similarity: float
    cosine: float
    segment: dict[str, Any] | None

    @classmethod
    def of(cls, hit: Hit, record: ArchiveRecord) -> "Neighbour":
        """A hit with its record."""
        return cls(record, hit.similarity, hit.cosine, hit.segment)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        near = {"similarity": self.similarity, "cosine": self.cosine, "segment": self.segment}
        return {**near, **self.record.to_dict()}


class SimilarityIndex:
    """Searches the spaces of a database."""

    def __init__(self, database: Engine, cache: Path) -> None:
        self._database, self._cache = database, cache
        self._lock = threading.Lock()
        self._files: dict[tuple[int, bool], VectorFile] = {}
        self._fits: dict[int, tuple[tuple[int, int], Whitening]] = {}
        self._postgres = PostgresIndex(database) if database.dialect.name == "postgresql" else None

    def close(self) -> None:
        """Close the caches' files."""
        with self._lock:
            for file in self._files.values():
                file.close()

    def search(
        self,
        vector: Floats,
        *,
        model: str,
        revision: str,
        k: int,
        where: Filter,
        segments: bool,
        raw: bool,
        without: str,
    ) -> list[Hit]:
        """The k nearest to a vector (D,), without those of a recording.

        Raises:
            ArchiveError: the archive has no embeddings to compare it with.
        """
        kind = rows.SEGMENT if segments else rows.RECORDING
        with self._lock:
            with self._database.connect() as connection:
                space = find_space(connection, model, revision, len(vector), kind)
            whitening = None if raw else self._whitening(space)
            query = unit(vector) if whitening is None else whitening.apply(vector[np.newaxis])[0]
            nearest = self._nearest(space, whitening, query, k, where, without)
        return self._hits(nearest, vector)

    def vectors(
        self, *, model: str | None = None, segments: bool = False, raw: bool = False
    ) -> Iterator[tuple[Ids, Floats]]:
        """All ids (n,) and vectors (n, D) of a space, in blocks.

        Args:
            model: whose; by default that of the largest space.
            segments: of segments instead of recordings.
            raw: as the model gives them; by default centred and whitened.

        Raises:
            ArchiveError: there are none.
        """
        kind = rows.SEGMENT if segments else rows.RECORDING
        query = select(spaces.c.model, spaces.c.revision, spaces.c.dimensions).join(embeddings)
        query = query.where(spaces.c.kind == kind).group_by(spaces.c.id).order_by(func.count().desc())
        if model is not None:
            query = query.where(spaces.c.model == model)
        with self._lock:
            with self._database.connect() as connection:
                largest = connection.execute(query.limit(1)).one_or_none()
                if largest is None:
                    by = "" if model is None else f" by the model {model}"
                    raise ArchiveError(f"the archive has no embeddings of {kind}s{by}: recognise with --archive")
                space = find_space(connection, *largest, kind)
            whitening = None if raw else self._whitening(space)
        for ids, vectors in self._read(space.id, 0):
            yield ids, vectors if whitening is None else whitening.apply(vectors)

    def transform(self, vectors: Floats, *, model: str, revision: str, raw: bool = False) -> Floats:
        """Vectors (n, D) of a model's recordings, of length 1; centred and whitened unless `raw`."""
        with self._lock:
            with self._database.connect() as connection:
                space = find_space(connection, model, revision, vectors.shape[1], rows.RECORDING)
            return unit(vectors) if raw else self._whitening(space).apply(vectors)

    def forget(self) -> None:
        """Remove what was deleted from the database from the caches too, and from the database's own files."""
        with self._lock, self._database.connect() as connection:
            # Fits of twice as many rows would be replaced anyway, and the mean of a few rows betrays each of them.
            count = select(func.count()).where(embeddings.c.space == fits.c.space).scalar_subquery()
            connection.execute(delete(fits).where(fits.c.rows >= 2 * count))
            connection.commit()
            for space in all_spaces(connection):
                for raw in (False, True):
                    file = self._file(space.id, raw=raw)
                    if (self._cache / f"{_name(space.id, raw=raw)}.json").exists():
                        self._refresh(file, space, self._stored_fit(connection, space.id) if not raw else None)
            if self._database.dialect.name == "sqlite":
                connection.rollback()
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _nearest(
        self, space: Space, whitening: Whitening | None, query: Floats, k: int, where: Filter, without: str
    ) -> list[tuple[int, float]]:
        if self._postgres is not None and whitening is not None and self._postgres.takes(space.dimensions):
            self._postgres.refresh(space.id, space.dimensions, space.last, whitening, self._read)
            conditions = [*_conditions(where, space.kind), recognitions.c.recording != without]
            return self._postgres.search(
                space.id, space.dimensions, whitening.id, query, k, _joined(space.kind), conditions
            )
        file = self._file(space.id, raw=whitening is None)
        self._refresh(file, space, whitening)
        conditions = _conditions(where, space.kind)
        with self._database.connect() as connection:
            of_recording = select(recognitions.c.id).where(recognitions.c.recording == without)
            ids = select(embeddings.c.id).where(embeddings.c.recognition.in_(of_recording))
            ranking = file.rank(query, without=_ids(connection.scalars(ids).all()))
            if not conditions:
                return ranking.first(k)
            count = max(k, min(_TRIED * k, _MOST_TRIED))
            candidates = ranking.first(count)
            matches = {
                id_
                for part in _parts([id_ for id_, _ in candidates])
                for id_ in connection.scalars(_matching(part, conditions, space.kind))
            }
            nearest = [(id_, cosine) for id_, cosine in candidates if id_ in matches]
            if len(nearest) < k and len(candidates) == count:
                ids = select(embeddings.c.id).select_from(_joined(space.kind)).where(*conditions)
                nearest = ranking.among(_ids(connection.scalars(ids).all())).first(k)
        return nearest[:k]

    def _hits(self, nearest: list[tuple[int, float]], vector: Floats) -> list[Hit]:
        hits = []
        query = select(
            embeddings.c.id,
            embeddings.c.recognition,
            embeddings.c.segment,
            embeddings.c.vector,
            *(segments.c[name] for name in ("start", "end", "emotion", "confidence")),
        ).select_from(
            embeddings.outerjoin(
                segments,
                (segments.c.recognition == embeddings.c.recognition) & (segments.c.number == embeddings.c.segment),
            )
        )
        with self._database.connect() as connection:
            by_id = {
                row.id: row
                for part in _parts([id_ for id_, _ in nearest])
                for row in connection.execute(query.where(embeddings.c.id.in_(part)))
            }
        for id_, similarity in nearest:
            if (row := by_id.get(id_)) is None:  # deleted in the meantime
                continue
            segment = None
            if row.segment != rows.WHOLE:
                segment = {
                    "number": row.segment, "start": row.start, "end": row.end,
                    "emotion": row.emotion, "confidence": row.confidence,
                }  # fmt: skip
            cosine = float(unit(rows.unpacked(row.vector)) @ unit(vector))
            hits.append(Hit(row.recognition, similarity, cosine, segment))
        return hits

    def _whitening(self, space: Space) -> Whitening:
        """The space's fit; made again when the space has doubled or halved."""
        state = (space.last, space.deletions)
        if space.id in self._fits and self._fits[space.id][0] == state:
            return self._fits[space.id][1]
        with self._database.begin() as connection:
            count = connection.scalar(select(func.count()).where(embeddings.c.space == space.id)) or 0
            whitening = self._stored_fit(connection, space.id)
            if whitening is None or not whitening.rows / 2 < count < whitening.rows * 2:
                whitening = self._fit(connection, space, count)
        self._fits[space.id] = (state, whitening)
        return whitening

    def _stored_fit(self, connection: Connection, space: int) -> Whitening | None:
        whitening = self._fits[space][1] if space in self._fits else None
        id_ = connection.scalar(select(fits.c.id).where(fits.c.space == space))
        if id_ is None or (whitening is not None and id_ == whitening.id):
            return None if id_ is None else whitening
        row = connection.execute(select(fits).where(fits.c.space == space)).one()
        mean = np.frombuffer(row.mean, "<f4")
        return Whitening(row.id, row.rows, mean, np.frombuffer(row.whitening, "<f4").reshape(len(mean), len(mean)))

    def _fit(self, connection: Connection, space: Space, count: int) -> Whitening:
        # Whoever fits the same space meanwhile waits here, and then replaces this fit by one of the same rows.
        connection.execute(select(spaces.c.id).where(spaces.c.id == space.id).with_for_update())
        emotion = segments.c.emotion if space.kind == rows.SEGMENT else recognitions.c.emotion
        query = select(embeddings.c.vector, emotion).select_from(_joined(space.kind))
        if count <= SAMPLE:
            sample = connection.execute(query.where(embeddings.c.space == space.id)).all()
        else:
            every = _ids(connection.scalars(select(embeddings.c.id).where(embeddings.c.space == space.id)).all())
            sample = []
            for part in _parts(np.sort(np.random.default_rng(0).choice(every, SAMPLE, replace=False)).tolist()):
                sample += connection.execute(query.where(embeddings.c.id.in_(part))).all()
        mean, matrix = fit(np.stack([rows.unpacked(row[0]) for row in sample]), [row[1] or "" for row in sample])
        connection.execute(delete(fits).where(fits.c.space == space.id))
        values = {
            "space": space.id,
            "rows": count,
            "mean": mean.astype("<f4").tobytes(),
            "whitening": matrix.astype("<f4").tobytes(),
        }
        id_ = connection.execute(insert(fits).values(values).returning(fits.c.id)).scalar_one()
        return Whitening(id_, count, mean, matrix)

    def _file(self, space: int, *, raw: bool) -> VectorFile:
        return self._files.setdefault((space, raw), VectorFile(self._cache, _name(space, raw=raw)))

    def _refresh(self, file: VectorFile, space: Space, whitening: Whitening | None) -> None:
        def alive() -> Ids:
            with self._database.connect() as connection:
                query = select(embeddings.c.id).where(embeddings.c.space == space.id).order_by(embeddings.c.id)
                return _ids(connection.scalars(query).all())

        def read(above: int) -> Iterator[tuple[Ids, Floats]]:
            for ids, vectors in self._read(space.id, above):
                yield ids, unit(vectors) if whitening is None else whitening.apply(vectors)

        file.refresh(
            key=f"{space.token} {'raw' if whitening is None else whitening.id}",
            width=space.dimensions,
            last=space.last,
            deletions=space.deletions,
            alive=alive,
            read=read,
        )

    def _read(self, space: int, above: int) -> Iterator[tuple[Ids, Floats]]:
        """Ids (n,) and vectors (n, D) with ids above one, in blocks."""
        query = select(embeddings.c.id, embeddings.c.vector).order_by(embeddings.c.id).limit(_BLOCK)
        with self._database.connect() as connection:
            while block := connection.execute(
                query.where(embeddings.c.space == space, embeddings.c.id > above)
            ).all():
                vectors = np.frombuffer(b"".join(row[1] for row in block), "<f2").astype(np.float32)
                yield _ids([row[0] for row in block]), vectors.reshape(len(block), -1)
                above = block[-1][0]


def _matching(ids: Sequence[int], conditions: Sequence[Any], kind: str) -> Any:
    """The query of those among a few embeddings that fulfil conditions, looked up one by one: otherwise SQLite
    would begin with a condition's index, though far more rows fulfil it.
    """  # noqa: D205
    own: Any = recognitions
    on = [recognitions.c.id == embeddings.c.recognition]
    if kind == rows.SEGMENT:
        own = own.join(segments, segments.c.recognition == recognitions.c.id)
        on.append(segments.c.number == embeddings.c.segment)
    one = select(1).select_from(own).where(*on, *conditions).correlate(embeddings).exists()
    return select(embeddings.c.id).where(embeddings.c.id.in_(ids), one)


def _joined(kind: str) -> Any:
    joined = embeddings.join(recognitions, recognitions.c.id == embeddings.c.recognition)
    if kind == rows.SEGMENT:
        joined = joined.join(
            segments,
            (segments.c.recognition == embeddings.c.recognition) & (segments.c.number == embeddings.c.segment),
        )
    return joined


def _conditions(where: Filter, kind: str) -> list[Any]:
    return where.conditions(segments.c.emotion if kind == rows.SEGMENT else None)


def _name(space: int, *, raw: bool) -> str:
    return f"space-{space}-{'raw' if raw else 'whitened'}"


def _parts(ids: list[int]) -> Iterator[list[int]]:
    """Ids, as many at once as a query takes."""
    for first in range(0, len(ids), 500):
        yield ids[first : first + 500]


def _ids(values: Sequence[Any]) -> Ids:
    return np.array(values, np.int64)
