"""The archive: recognitions with their recordings, segments, embeddings and tags, in a database."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Engine, delete, select, tuple_

from emovox.archive import rows
from emovox.archive.corrections import Corrections
from emovox.archive.database import PATIENCE, archive_file, open_database
from emovox.archive.directories import Directories
from emovox.archive.filter import Filter
from emovox.archive.flags import Flags
from emovox.archive.names import Name
from emovox.archive.pages import mark, position
from emovox.archive.readings import names
from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.archive.rows import RecordMapper, Replacement, joined, parts
from emovox.archive.schema import embeddings, recognitions, recordings, segments, spaces, tags
from emovox.archive.similarity.search import Hit, Neighbour, SimilarityIndex
from emovox.archive.statistics import Stats, count
from emovox.errors import ArchiveError
from emovox.heads import embedding_cache
from emovox.inference.recognition import Recognition
from emovox.policy import policy
from emovox.settings import settings

TOGETHER = 1000  # records that are written in one transaction
ALL = Filter()


class Archive:
    """Recognitions in a database. Threads may share one, and several processes may write at once.

    Attributes:
        database: where they are.
        neighbours: the index of their embeddings.
        directories: their outputs directories.
        corrections: what people said of segments.
        flags: named rules that find moments in them.

    Examples:
        >>> with Archive() as archive:
        ...     archive.add(recognizer.recognize("call.mp3", embedding=True))
        ...     for neighbour in archive.similar(recognizer.recognize("other.mp3", embedding=True)):
        ...         print(neighbour.similarity, neighbour.record.name, neighbour.record.emotion)
    """

    def __init__(self, file: str | Path | None = None, *, patience: float = PATIENCE, make: bool = True) -> None:
        """Open the archive.

        Args:
            file: an SQLite file, unless the setting `database` names a database; by default `outputs.db` beside
                the outputs (see `archive_file`).
            patience: seconds to wait for an SQLite file that another program has locked.
            make: whether to make it if it isn't there; otherwise it is an empty one in memory then.

        Raises:
            SettingsError: it can't be opened.
        """
        path = archive_file() if file is None else Path(file).absolute()
        self.database: Engine = open_database(path, patience=patience, make=make)
        self._mapper = RecordMapper(self.database)
        self.neighbours = SimilarityIndex(self.database, _cache(self.database))
        self.directories = Directories(self.database, self._mapper)
        self.corrections = Corrections(self.database, self._mapper)
        self.flags = Flags(self.database)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("an Archive can't be pickled or copied: open it in each process that uses it")

    def close(self) -> None:
        """Close the database and its caches."""
        self.neighbours.close()
        self.database.dispose()

    def add(
        self,
        recognition: Recognition,
        *,
        link: str | None = None,
        outputs: Path | None = None,
        embedding: NDArray[Any] | None = None,
    ) -> bool:
        """Add a recognition, unless it is in the archive already.

        Args:
            recognition: with its embeddings, if `similar` is to find it.
            link: where the recording is: a path or an address.
            outputs: its outputs directory.
            embedding: (D,), (1, D) or (T, D); by default the recognition's own.

        Returns:
            Whether it is new.

        Raises:
            ArchiveError: the embedding has another shape, or isn't finite.
        """
        record = from_recognition(recognition, link=link, outputs=outputs, embedding=embedding)
        return self.add_records([record]) == 1

    def add_records(self, records: Iterable[ArchiveRecord]) -> int:
        """Add many, `TOGETHER` in each transaction; gives how many are new."""
        new, remaining = 0, iter(records)
        while batch := list(islice(remaining, TOGETHER)):
            with self.database.begin() as connection:
                new += rows.keep(connection, batch, self._mapper)
        return new

    def find(
        self, where: Filter = ALL, *, limit: int = 50, before: str | None = None
    ) -> tuple[list[ArchiveRecord], str | None]:
        """A page of records, latest first.

        Args:
            where: what must hold.
            limit: records of a page.
            before: where the page begins, as the previous page gave it.

        Returns:
            The page, and the `before` of the next one, if there is one.

        Raises:
            ArchiveError: no page gives such a `before`.
            FilterError: nothing in the archive is called as the filter says.
        """
        query = joined().order_by(recognitions.c.created.desc(), recognitions.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(tuple_(recognitions.c.created, recognitions.c.id) < position(before))
        with self.database.connect() as connection:
            query = query.where(*where.resolved(connection).conditions())
            page = self._mapper.records(connection, query)
        return page[:limit], mark(page[limit - 1]) if len(page) > limit else None

    def all(self, where: Filter = ALL, *, before: str | None = None) -> Iterator[ArchiveRecord]:
        """The records of all pages of `find`, from `before` on."""
        page, before = self.find(where, limit=1000, before=before)
        yield from page
        while before is not None:
            page, before = self.find(where, limit=1000, before=before)
            yield from page

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        with self.database.connect() as connection:
            return connection.execute(select(recognitions.c.id).limit(1)).first() is None

    def lookup(self, name: str) -> list[ArchiveRecord]:
        """The records, latest first, of an id, a recording's checksum, the first eight or more letters of either,
        or an outputs directory.
        """  # noqa: D205
        paths = {self._mapper.stored(Path(name)), self._mapper.stored(settings().outputs / name)}
        conditions: list[ColumnElement[bool]] = [recognitions.c.outputs.in_(paths)]
        if len(name) >= 8 and name.isalnum():
            conditions += [
                column.startswith(name, autoescape=True) for column in (recognitions.c.id, recordings.c.sha256)
            ]
        query = joined().order_by(recognitions.c.created.desc(), recognitions.c.id.desc())
        with self.database.connect() as connection:
            for condition in conditions:
                if records := self._mapper.records(connection, query.where(condition)):
                    return records
        return []

    def by_outputs(self, outputs: Path) -> ArchiveRecord | None:
        """The record of an outputs directory."""
        query = joined().where(recognitions.c.outputs == self._mapper.stored(outputs)).limit(1)
        with self.database.connect() as connection:
            return next(iter(self._mapper.records(connection, query)), None)

    def known_outputs(self) -> set[Path]:
        """The outputs directories of everything in the archive."""
        query = select(recognitions.c.outputs).where(recognitions.c.outputs.is_not(None))
        with self.database.connect() as connection:
            return {self._mapper.resolved(text) for text in connection.scalars(query) if text is not None}

    def segments(self, id_: str) -> list[dict[str, Any]]:
        """The segments of a recognition: start, end (s), emotion, confidence, nine scores, channel, values."""
        query = select(segments).where(segments.c.recognition == id_).order_by(segments.c.number)
        with self.database.connect() as connection:
            mappings = connection.execute(query).mappings().all()
        return [rows.segment(row) for row in mappings]

    def embedding(self, id_: str) -> Floats | None:
        """The embedding of a recognition, float32 (D,), rounded to float16."""
        query = select(embeddings.c.vector).where(
            embeddings.c.recognition == id_, embeddings.c.segment == rows.WHOLE
        )
        with self.database.connect() as connection:
            content = connection.scalar(query)
        return None if content is None else rows.unpacked(content)

    def embedded(
        self, where: Filter = ALL, *, limit: int = 20_000, raw: bool = False
    ) -> tuple[list[ArchiveRecord], Floats]:
        """The latest records that have an embedding, and those, float32 (n, D), of length 1.

        If they are of several models, those of the model with the most.

        Args:
            where: what must hold.
            limit: how many at most.
            raw: as the model gives them; by default centred and whitened.

        Raises:
            ArchiveError: there are none.
        """
        by_space: dict[int, list[tuple[ArchiveRecord, bytes]]] = {}
        remaining = self.all(where.allowed())
        while max(map(len, by_space.values()), default=0) < limit and (page := list(islice(remaining, TOGETHER))):
            query = select(embeddings).where(
                embeddings.c.recognition.in_([record.id for record in page]), embeddings.c.segment == rows.WHOLE
            )
            with self.database.connect() as connection:
                by_id = {row.recognition: row for row in connection.execute(query)}
            for record in page:
                if (row := by_id.get(record.id)) is not None:
                    by_space.setdefault(row.space, []).append((record, row.vector))
        if not by_space:
            raise ArchiveError("no embeddings of these recordings in the archive: recognise them with --archive")
        number, pairs = max(by_space.items(), key=lambda item: len(item[1]))
        records, contents = zip(*pairs[:limit], strict=True)
        with self.database.connect() as connection:
            query = select(spaces.c.model, spaces.c.revision).where(spaces.c.id == number)
            model, revision = connection.execute(query).one()
        vectors = np.stack([rows.unpacked(content) for content in contents])
        return list(records), self.neighbours.transform(vectors, model=model, revision=revision, raw=raw)

    def stats(self, where: Filter = ALL) -> Stats:
        """How much there is in the archive, or of it."""
        with self.database.connect() as connection:
            return count(connection, where.resolved(connection))

    def reading_names(self, where: Filter = ALL) -> list[Name]:
        """What the numbers are of that readouts gave beside the nine emotions, sorted."""
        with self.database.connect() as connection:
            return names(connection, where.resolved(connection).conditions())

    def tag(self, sha256: str, name: str) -> None:
        """Give a recording a tag, if it doesn't have it.

        Raises:
            ArchiveError: the name is empty, too long or not printable, or the recording isn't in the archive.
        """
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise ArchiveError("a tag has 1 to 100 printable characters")
        with self.database.begin() as connection:
            if connection.scalar(select(recordings.c.sha256).where(recordings.c.sha256 == sha256)) is None:
                raise ArchiveError("the archive has no such recording")
            rows.insert(connection, tags, [{"recording": sha256, "name": name.strip()}])

    def untag(self, sha256: str, name: str) -> bool:
        """Take a tag off a recording; False if it had no such tag."""
        with self.database.begin() as connection:
            tag = delete(tags).where(tags.c.recording == sha256, tags.c.name == name.strip())
            return bool(connection.execute(tag).rowcount)

    def delete(self, sha256s: Iterable[str]) -> int:
        """Delete recordings with all that is of them, but their outputs directories; gives how many there were."""
        sha256s, deleted = set(sha256s), 0
        with self.database.begin() as connection:
            for part in parts(sha256s):
                ids = select(recognitions.c.id).where(recognitions.c.recording.in_(part))
                rows.count_deletions(connection, connection.scalars(ids).all())
                deleted += connection.execute(delete(recordings).where(recordings.c.sha256.in_(part))).rowcount
        if deleted:
            self.neighbours.forget()
            embedding_cache.forget(sha256s)
        return deleted

    def forget_outputs(self, outputs: Iterable[Path]) -> int:
        """Delete the recognitions of outputs directories that have no copy, and recordings that have no other."""
        deleted, orphans = 0, set[str]()
        with self.database.begin() as connection:
            for part in parts({self._mapper.stored(path) for path in outputs}):
                self.directories.release(connection, part)
                query = select(recognitions.c.id, recognitions.c.recording).where(recognitions.c.outputs.in_(part))
                pairs = connection.execute(query).all()
                ids, sha256s = [row.id for row in pairs], {row.recording for row in pairs}
                rows.count_deletions(connection, ids)
                deleted += connection.execute(delete(recognitions).where(recognitions.c.id.in_(ids))).rowcount
                others = select(recognitions.c.recording).where(recognitions.c.recording.in_(sha256s))
                orphans |= sha256s - set(connection.scalars(others))
                connection.execute(delete(recordings).where(recordings.c.sha256.in_(sha256s & orphans)))
        if deleted:
            self.neighbours.forget()
            embedding_cache.forget(orphans)
        return deleted

    def replace(self, batches: Iterable[Sequence[Replacement]]) -> int:
        """Put new recognitions in the place of others, of the same recordings, in one transaction.

        Args:
            batches: are made while the database is held: what must change with it may be changed by the way.

        Returns:
            How many were there to be replaced.
        """
        replaced = 0
        with self.database.begin() as connection:
            for batch in batches:
                replaced += rows.replace_records(connection, batch, self._mapper)
        self.neighbours.forget()
        return replaced

    def similar(
        self,
        to: Recognition | ArchiveRecord | str,
        *,
        k: int = 10,
        where: Filter = ALL,
        segments: bool = False,
        raw: bool = False,
    ) -> list[Neighbour]:
        """The nearest recordings, or segments, by the cosine of their embeddings; never its own.

        Args:
            to: a recognition with its embedding, or a record of the archive or its id.
            k: how many.
            where: what must hold.
            segments: look among segments.
            raw: compare embeddings as the model gives them; by default they are centred, and whitened within
                emotions where there are enough (see `emovox.archive.similarity.whitening`).

        Raises:
            ArchiveError: it has no embedding, or the archive has none of that model.
            PolicyError: the policy allows nothing but the talk time of this voice.
        """
        if isinstance(to, Recognition):
            policy().check(to.recording.side, "a comparison")
            if to.embedding is None:
                raise ArchiveError("the recognition has no embedding: recognise with embedding=True")
            record = from_recognition(to, id_="")
            assert record.embedding is not None  # noqa: S101  it was checked
            model, revision, sha256, vector = record.model, record.embeddings_of, record.sha256, record.embedding
        else:
            query = (
                select(spaces, recognitions.c.recording, recognitions.c.side, embeddings.c.vector)
                .select_from(embeddings.join(spaces).join(recognitions))
                .where(embeddings.c.recognition == (to if isinstance(to, str) else to.id))
                .where(embeddings.c.segment == rows.WHOLE)
            )
            with self.database.connect() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                raise ArchiveError("the archive has no embedding of it: recognise it again with --embedding")
            policy().check(row.side, "a comparison")
            model, revision, sha256, vector = row.model, row.revision, row.recording, rows.unpacked(row.vector)
        with self.database.connect() as connection:
            where = where.allowed().resolved(connection)
        limit = k
        while True:  # a recording that was recognised several times is still one neighbour
            hits = self.neighbours.search(
                vector, model=model, revision=revision, k=limit, where=where, segments=segments, raw=raw,
                without=sha256,
            )  # fmt: skip
            nearest = self._neighbours(hits)
            if len(nearest) >= k or len(hits) < limit:
                return nearest[:k]
            limit *= 4

    def _neighbours(self, hits: Sequence[Hit]) -> list[Neighbour]:
        """Hits with their records; of one recording, or one segment of it, the nearest."""
        records: dict[str, ArchiveRecord] = {}
        with self.database.connect() as connection:
            for part in parts({hit.recognition for hit in hits}):
                query = joined().where(recognitions.c.id.in_(part))
                records |= {record.id: record for record in self._mapper.records(connection, query)}
        nearest: dict[tuple[object, ...], Neighbour] = {}
        for hit in hits:
            if (record := records.get(hit.recognition)) is not None:
                span = () if hit.segment is None else (hit.segment["start"], hit.segment["end"])
                nearest.setdefault((record.sha256, record.channel, *span), Neighbour.of(hit, record))
        return list(nearest.values())


def _cache(database: Engine) -> Path:
    """Where a database's caches are: beside an SQLite file, otherwise in the cache directory."""
    if database.url.database and database.dialect.name == "sqlite":
        return Path(f"{database.url.database}.cache")
    name = hashlib.sha256(database.url.render_as_string(hide_password=True).encode()).hexdigest()[:16]
    return settings().cache / "archive" / name
