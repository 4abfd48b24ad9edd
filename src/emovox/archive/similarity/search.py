"""Neighbours: the nearest of the archive's embeddings.

Embeddings of different models are never compared: a space is a model's name and revision, and the number of
dimensions. The precision makes no other space: it changes an embedding less than the recording's noise does.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, func, insert, select

from emovox.archive import rows
from emovox.archive.database import embeddings, fits, recognitions, segments, spaces
from emovox.archive.filter import Filter
from emovox.archive.record import Floats
from emovox.archive.similarity.pgvector import PostgresIndex
from emovox.archive.similarity.vector_file import Ids, VectorFile
from emovox.archive.similarity.whitening import Whitening, fit, unit
from emovox.errors import ArchiveError

if TYPE_CHECKING:
    from emovox.archive.stored_record import Found

SAMPLE = 50_000  # rows that a fit is made from at most
_BLOCK = 4096  # rows that are read at once
_TRIED, _MOST_TRIED = 30, 10_000  # times as many as are wanted, of which a filter may leave enough; and at most


@dataclass(frozen=True)
class Space:
    """Embeddings that can be compared.

    Attributes:
        token: random, so that it is told from one of the same number in another database.
        deletions: how many rows have gone from it so far.
        last: the highest id among them; 0: none.
    """

    id: int
    model: str
    revision: str
    dimensions: int
    kind: str
    token: str
    deletions: int
    last: int

    @property
    def label(self) -> str:
        """The model's name and revision."""
        return f"{self.model} {self.revision}".strip()


@dataclass(frozen=True)
class Hit:
    """One that is near."""

    recognition: str
    similarity: float
    cosine: float
    segment: dict[str, Any] | None


@dataclass(frozen=True)
class Neighbour:
    """One that is near.

    Attributes:
        found: the recognition.
        similarity: cosine of the embeddings centred and whitened, or the raw one where that was asked for.
        cosine: of the embeddings as the model gives them.
        segment: its number, start and end (seconds), emotion and confidence, where segments were looked for.
    """

    found: "Found"
    similarity: float
    cosine: float
    segment: dict[str, Any] | None

    @classmethod
    def of(cls, hit: Hit, found: "Found") -> "Neighbour":
        """A hit with what was recognised."""
        return cls(found, hit.similarity, hit.cosine, hit.segment)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        near = {"similarity": self.similarity, "cosine": self.cosine, "segment": self.segment}
        return {**near, **self.found.to_dict()}


class SimilarityIndex:
    """Searches the spaces of a database."""

    def __init__(self, database: Engine, cache: Path) -> None:
        self._database, self._cache = database, cache
        self._lock = threading.Lock()
        self._matrices: dict[tuple[int, bool], VectorFile] = {}
        self._fits: dict[int, tuple[tuple[int, int], Whitening]] = {}
        self._postgres = PostgresIndex(database) if database.dialect.name == "postgresql" else None

    def close(self) -> None:
        """Let go of the caches' files."""
        with self._lock:
            for matrix in self._matrices.values():
                matrix.close()

    def search(
        self,
        vector: Floats,
        *,
        model: str,
        revision: str,
        k: int,
        wanted: Filter,
        segments: bool,
        raw: bool,
        without: str,
    ) -> list[Hit]:
        """The k nearest to a vector (D,), but for those of a recording.

        Raises:
            ArchiveError: the archive has nothing that it could be compared with.
        """
        kind = rows.SEGMENT if segments else rows.RECORDING
        with self._lock:
            with self._database.connect() as connection:
                space = self._space(connection, model, revision, len(vector), kind)
            whitening = None if raw else self._whitening(space)
            query = unit(vector) if whitening is None else whitening.apply(vector[np.newaxis])[0]
            found = self._nearest(space, whitening, query, k, wanted, without)
        return self._hits(found, vector)

    def vectors(
        self, *, model: str | None = None, segments: bool = False, raw: bool = False
    ) -> Iterator[tuple[Ids, Floats]]:
        """All ids (n,) and vectors (n, D) of a space, a block at a time; whitened unless raw ones are asked for.

        Args:
            model: whose; by default the one with the most.
            segments: of segments instead of recordings.
            raw: as the model gives them.

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
                biggest = connection.execute(query.limit(1)).one_or_none()
                if biggest is None:
                    of = "" if model is None else f" of the model {model}"
                    raise ArchiveError(f"the archive has no embeddings of {kind}s{of}: recognise with --archive")
                space = self._space(connection, *biggest, kind)
            whitening = None if raw else self._whitening(space)
        for ids, found in self._read(space.id, 0):
            yield ids, found if whitening is None else whitening.apply(found)

    def transform(self, vectors: Floats, *, model: str, revision: str, raw: bool = False) -> Floats:
        """Vectors (n, D) of a model's recordings, of length 1; centred and whitened unless raw ones are wanted."""
        with self._lock:
            with self._database.connect() as connection:
                space = self._space(connection, model, revision, vectors.shape[1], rows.RECORDING)
            return unit(vectors) if raw else self._whitening(space).apply(vectors)

    def forget(self) -> None:
        """Let what was deleted from the database go from the caches, and from the database's own files."""
        with self._lock, self._database.connect() as connection:
            # A fit of twice as many is due for another anyway, and the mean of few gives each of them away.
            left = select(func.count()).where(embeddings.c.space == fits.c.space).scalar_subquery()
            connection.execute(delete(fits).where(fits.c.rows >= 2 * left))
            connection.commit()
            for space in self._all(connection):
                for raw in (False, True):
                    matrix = self._matrix(space.id, raw=raw)
                    if (self._cache / f"{_name(space.id, raw=raw)}.json").exists():
                        self._refresh(matrix, space, self._kept_fit(connection, space.id) if not raw else None)
            if self._database.dialect.name == "sqlite":
                connection.rollback()
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _nearest(
        self, space: Space, whitening: Whitening | None, query: Floats, k: int, wanted: Filter, without: str
    ) -> list[tuple[int, float]]:
        if self._postgres is not None and whitening is not None and self._postgres.takes(space.dimensions):
            self._postgres.refresh(space.id, space.dimensions, space.last, whitening, self._read)
            conditions = [*_conditions(wanted, space.kind), recognitions.c.recording != without]
            return self._postgres.search(
                space.id, space.dimensions, whitening.id, query, k, _joined(space.kind), conditions
            )
        matrix = self._matrix(space.id, raw=whitening is None)
        self._refresh(matrix, space, whitening)
        conditions = _conditions(wanted, space.kind)
        with self._database.connect() as connection:
            heard = select(recognitions.c.id).where(recognitions.c.recording == without)
            own = connection.scalars(select(embeddings.c.id).where(embeddings.c.recognition.in_(heard))).all()
            ranking = matrix.rank(query, without=_ids(own))
            if not conditions:
                return ranking.first(k)
            tried = max(k, min(_TRIED * k, _MOST_TRIED))
            nearest = ranking.first(tried)  # among which there are often enough
            good = {
                id_
                for part in _parts([id_ for id_, _ in nearest])
                for id_ in connection.scalars(_fitting(part, conditions, space.kind))
            }
            found = [(id_, cosine) for id_, cosine in nearest if id_ in good]
            if len(found) < k and len(nearest) == tried:
                every = select(embeddings.c.id).select_from(_joined(space.kind)).where(*conditions)
                found = ranking.among(_ids(connection.scalars(every).all())).first(k)
        return found[:k]

    def _hits(self, found: list[tuple[int, float]], vector: Floats) -> list[Hit]:
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
            kept = {
                row.id: row
                for part in _parts([id_ for id_, _ in found])
                for row in connection.execute(query.where(embeddings.c.id.in_(part)))
            }
        for id_, similarity in found:
            if (row := kept.get(id_)) is None:  # deleted in the meantime
                continue
            segment = None
            if row.segment != rows.WHOLE:
                segment = {
                    "number": row.segment, "start": row.start, "end": row.end,
                    "emotion": row.emotion, "confidence": row.confidence,
                }  # fmt: skip
            cosine = float(unit(rows.vector(row.vector)) @ unit(vector))
            hits.append(Hit(row.recognition, similarity, cosine, segment))
        return hits

    def _space(self, connection: Connection, model: str, revision: str, dimensions: int, kind: str) -> Space:
        found = self._all(connection)
        for space in found:
            key = (space.model, space.revision, space.dimensions, space.kind)
            if key == (model, revision, dimensions, kind) and space.last:
                return space
        there = sorted({space.label for space in found if space.last and space.kind == kind})
        here = f"it has those of {', '.join(there)}" if there else "it has none at all"
        raise ArchiveError(
            f"the archive has no embeddings of {kind}s by the model {f'{model} {revision}'.strip()}, and those of "
            f"different models can't be compared: {here}"
        )

    def _all(self, connection: Connection) -> list[Space]:
        last = select(func.max(embeddings.c.id)).where(embeddings.c.space == spaces.c.id).scalar_subquery()
        return [
            Space(
                row.id, row.model, row.revision, row.dimensions, row.kind, row.token, row.deletions, row.last or 0
            )
            for row in connection.execute(select(spaces, last.label("last")).order_by(spaces.c.id))
        ]

    def _whitening(self, space: Space) -> Whitening:
        """The space's fit; made anew when the space has doubled or halved."""
        now = (space.last, space.deletions)
        if space.id in self._fits and self._fits[space.id][0] == now:
            return self._fits[space.id][1]
        with self._database.begin() as connection:
            count = connection.scalar(select(func.count()).where(embeddings.c.space == space.id)) or 0
            kept = self._kept_fit(connection, space.id)
            if kept is None or not kept.rows / 2 < count < kept.rows * 2:
                kept = self._fit(connection, space, count)
        self._fits[space.id] = (now, kept)
        return kept

    def _kept_fit(self, connection: Connection, space: int) -> Whitening | None:
        known = self._fits[space][1] if space in self._fits else None
        found = connection.execute(select(fits.c.id, fits.c.rows).where(fits.c.space == space)).one_or_none()
        if found is None or (known is not None and found.id == known.id):
            return None if found is None else known
        row = connection.execute(select(fits).where(fits.c.space == space)).one()
        mean = np.frombuffer(row.mean, "<f4")
        return Whitening(row.id, row.rows, mean, np.frombuffer(row.whitening, "<f4").reshape(len(mean), len(mean)))

    def _fit(self, connection: Connection, space: Space, count: int) -> Whitening:
        # Two that fit at once would make two fits of the same rows, and the second takes the first one's place.
        connection.execute(select(spaces.c.id).where(spaces.c.id == space.id).with_for_update())
        emotion = segments.c.emotion if space.kind == rows.SEGMENT else recognitions.c.emotion
        query = select(embeddings.c.vector, emotion).select_from(_joined(space.kind))
        if count <= SAMPLE:
            found = connection.execute(query.where(embeddings.c.space == space.id)).all()
        else:
            every = _ids(connection.scalars(select(embeddings.c.id).where(embeddings.c.space == space.id)).all())
            chosen = np.sort(np.random.default_rng(0).choice(every, SAMPLE, replace=False)).tolist()
            found = []
            for part in _parts(chosen):
                found += connection.execute(query.where(embeddings.c.id.in_(part))).all()
        mean, matrix = fit(np.stack([rows.vector(row[0]) for row in found]), [row[1] for row in found])
        connection.execute(delete(fits).where(fits.c.space == space.id))
        values = {
            "space": space.id,
            "rows": count,
            "mean": mean.astype("<f4").tobytes(),
            "whitening": matrix.astype("<f4").tobytes(),
        }
        id_ = connection.execute(insert(fits).values(values).returning(fits.c.id)).scalar_one()
        return Whitening(id_, count, mean, matrix)

    def _matrix(self, space: int, *, raw: bool) -> VectorFile:
        return self._matrices.setdefault((space, raw), VectorFile(self._cache, _name(space, raw=raw)))

    def _refresh(self, matrix: VectorFile, space: Space, whitening: Whitening | None) -> None:
        def alive() -> Ids:
            with self._database.connect() as connection:
                query = select(embeddings.c.id).where(embeddings.c.space == space.id).order_by(embeddings.c.id)
                return _ids(connection.scalars(query).all())

        def read(above: int) -> Iterator[tuple[Ids, Floats]]:
            for ids, found in self._read(space.id, above):
                yield ids, unit(found) if whitening is None else whitening.apply(found)

        matrix.refresh(
            key=f"{space.token} {'raw' if whitening is None else whitening.id}",
            width=space.dimensions,
            last=space.last,
            deletions=space.deletions,
            alive=alive,
            read=read,
        )

    def _read(self, space: int, above: int) -> Iterator[tuple[Ids, Floats]]:
        """Ids and vectors (n, D) with ids above one, a block at a time."""
        query = select(embeddings.c.id, embeddings.c.vector).order_by(embeddings.c.id).limit(_BLOCK)
        with self._database.connect() as connection:
            while found := connection.execute(
                query.where(embeddings.c.space == space, embeddings.c.id > above)
            ).all():
                vectors = np.frombuffer(b"".join(row[1] for row in found), "<f2").astype(np.float32)
                yield _ids([row[0] for row in found]), vectors.reshape(len(found), -1)
                above = found[-1][0]


def _fitting(ids: Sequence[int], conditions: Sequence[Any], kind: str) -> Any:
    """Those among a few embeddings that fulfil conditions, looked up one by one: SQLite would begin with a
    condition's index otherwise, though far more fulfil it.
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


def _conditions(wanted: Filter, kind: str) -> list[Any]:
    return wanted.conditions(segments.c.emotion if kind == rows.SEGMENT else None)


def _name(space: int, *, raw: bool) -> str:
    return f"space-{space}-{'raw' if raw else 'whitened'}"


def _parts(ids: list[int]) -> Iterator[list[int]]:
    """As many at once as a query takes."""
    for first in range(0, len(ids), 500):
        yield ids[first : first + 500]


def _ids(found: Sequence[Any]) -> Ids:
    return np.array(found, np.int64)
