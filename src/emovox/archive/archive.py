"""The archive: every recognition that was kept, with its recording, segments, embeddings and tags."""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, tuple_, update

from emovox.archive import rows
from emovox.archive.database import (
    PATIENCE,
    archive_file,
    embeddings,
    open_database,
    recognitions,
    recordings,
    segments,
    spaces,
    tags,
)
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord, Floats, from_recognition
from emovox.archive.similarity.search import Hit, Neighbour, SimilarityIndex
from emovox.archive.statistics import Stats, count
from emovox.archive.stored_record import Found, RecordReader, joined, parts
from emovox.errors import ArchiveError
from emovox.inference.recognition import Recognition
from emovox.settings import settings

TOGETHER = 1000  # entries that are written in one transaction
ALL = Filter()


class Archive:
    """Everything that was kept, in a database. Safe to share between threads, and processes may write at once.

    Attributes:
        database: where.
        neighbours: its embeddings, all of them.

    Example:
        >>> with Archive() as archive:
        ...     archive.add(recognizer.recognize("call.mp3", embedding=True))
        ...     for neighbour in archive.similar(recognizer.recognize("other.mp3", embedding=True)):
        ...         print(neighbour.similarity, neighbour.found.name, neighbour.found.emotion)
    """

    def __init__(self, file: str | Path | None = None, *, patience: float = PATIENCE, make: bool = True) -> None:
        """Open the archive.

        Args:
            file: an SQLite file, unless the setting `database` names another place; by default `outputs.db`
                beside the outputs (see `archive_file`).
            patience: seconds that an SQLite file which somebody else has locked is waited for.
            make: it is made if it isn't there; else it is an empty one then, and what is added is kept nowhere.

        Raises:
            SettingsError: it can't be opened.
        """
        path = archive_file() if file is None else Path(file).absolute()
        self.database: Engine = open_database(path, patience=patience, make=make)
        self._reader = RecordReader(self.database)
        self._spaces: dict[tuple[str, str, int, str], int] = {}
        self._lock = threading.Lock()
        self.neighbours = SimilarityIndex(self.database, _cache(self.database))

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to another process, or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("an Archive can't be pickled or copied: open it in each process that uses it")

    def close(self) -> None:
        """Let go of the database."""
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
        """Keep a recognition; once, however often it is given.

        Args:
            recognition: with its embeddings, if it shall be found by similarity.
            link: where the recording is: a path or an address.
            outputs: its outputs directory.
            embedding: (D,), (1, D) or (T, D); by default the recognition's own.

        Returns:
            Whether it is new.

        Raises:
            ArchiveError: the embedding is none.
        """
        record = from_recognition(recognition, link=link, outputs=outputs, embedding=embedding)
        return self.add_records([record]) == 1

    def add_records(self, records: Iterable[ArchiveRecord]) -> int:
        """Keep many; those of one transaction are all there or none. Gives how many are new."""
        added, waiting = 0, iter(records)
        while batch := list(islice(waiting, TOGETHER)):
            with self.database.begin() as connection:
                added += rows.keep(
                    connection, list({record.id: record for record in batch}.values()), self._reader
                )
        return added

    def find(
        self, wanted: Filter = ALL, *, limit: int = 50, before: str | None = None
    ) -> tuple[list[Found], str | None]:
        """A page of recognitions, latest first.

        Args:
            wanted: all of it must hold.
            limit: of the page.
            before: as the page before gave it.

        Returns:
            The page, and the `before` of the next one, if there is more.

        Raises:
            ArchiveError: `before` is none.
        """
        query = joined().where(*wanted.conditions())
        query = query.order_by(recognitions.c.created.desc(), recognitions.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(tuple_(recognitions.c.created, recognitions.c.id) < _mark(before))
        with self.database.connect() as connection:
            page = self._reader.read(connection, connection.execute(query).all())
        following = f"{page[limit - 1].created.timestamp()!r}:{page[limit - 1].id}" if len(page) > limit else None
        return page[:limit], following

    def all(self, wanted: Filter = ALL) -> Iterator[Found]:
        """All that `find` finds."""
        page, before = self.find(wanted, limit=1000)
        yield from page
        while before is not None:
            page, before = self.find(wanted, limit=1000, before=before)
            yield from page

    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        with self.database.connect() as connection:
            return connection.execute(select(recognitions.c.id).limit(1)).first() is None

    def lookup(self, words: str) -> list[Found]:
        """The recognitions that a person means by an id, a recording's checksum, the beginning of either (eight
        letters at least), or an outputs directory; latest first.
        """  # noqa: D205
        conditions: list[ColumnElement[bool]] = [
            recognitions.c.outputs.in_(
                {self._reader.stored(Path(words)), self._reader.stored(settings().outputs / words)}
            )
        ]
        if len(words) >= 8 and words.isalnum():
            conditions += [
                column.startswith(words, autoescape=True) for column in (recognitions.c.id, recordings.c.sha256)
            ]
        query = joined().order_by(recognitions.c.created.desc(), recognitions.c.id.desc())
        with self.database.connect() as connection:
            for condition in conditions:
                if found := connection.execute(query.where(condition)).all():
                    return self._reader.read(connection, found)
        return []

    def by_outputs(self, outputs: Path) -> Found | None:
        """The recognition of an outputs directory."""
        with self.database.connect() as connection:
            found = connection.execute(
                joined().where(recognitions.c.outputs == self._reader.stored(outputs)).limit(1)
            ).all()
            return self._reader.read(connection, found)[0] if found else None

    def known_outputs(self) -> set[Path]:
        """The outputs directories of everything in the archive."""
        with self.database.connect() as connection:
            found = connection.scalars(select(recognitions.c.outputs).where(recognitions.c.outputs.is_not(None)))
            return {self._reader.resolved(text) for text in found if text is not None}

    def segments(self, id_: str) -> list[dict[str, Any]]:
        """The segments of a recognition: start, end (seconds), emotion, confidence, the nine scores, channel."""
        query = select(segments).where(segments.c.recognition == id_).order_by(segments.c.number)
        with self.database.connect() as connection:
            found = connection.execute(query).mappings().all()
        return [{key: value for key, value in row.items() if key != "recognition"} for row in found]

    def embedding(self, id_: str) -> Floats | None:
        """The embedding of a recognition, float32 (D,), as exact as float16 is."""
        query = select(embeddings.c.vector).where(
            embeddings.c.recognition == id_, embeddings.c.segment == rows.WHOLE
        )
        with self.database.connect() as connection:
            found = connection.scalar(query)
        return None if found is None else rows.vector(found)

    def embedded(
        self, wanted: Filter = ALL, *, limit: int = 20_000, raw: bool = False
    ) -> tuple[list[Found], Floats]:
        """The latest recognitions that have an embedding, and those, float32 (n, D), of length 1.

        Args:
            wanted: all of it must hold.
            limit: how many at most.
            raw: as the model gives them; by default centred and whitened.

        Raises:
            ArchiveError: there are none.
        """
        by_space: dict[int, list[tuple[Found, bytes]]] = {}
        waiting = self.all(wanted)
        while max(map(len, by_space.values()), default=0) < limit and (page := list(islice(waiting, TOGETHER))):
            query = select(embeddings).where(
                embeddings.c.recognition.in_([item.id for item in page]), embeddings.c.segment == rows.WHOLE
            )
            with self.database.connect() as connection:
                kept = {row.recognition: row for row in connection.execute(query)}
            for item in page:
                if (row := kept.get(item.id)) is not None:
                    by_space.setdefault(row.space, []).append((item, row.vector))
        if not by_space:
            raise ArchiveError("the archive has no embeddings of what is looked for: recognise with --archive")
        number, chosen = max(by_space.items(), key=lambda item: len(item[1]))  # of different models: no comparing
        found, packed = zip(*chosen[:limit], strict=True)
        vectors = np.stack([rows.vector(kept) for kept in packed])
        with self.database.connect() as connection:
            query = select(spaces.c.model, spaces.c.revision).where(spaces.c.id == number)
            model, revision = connection.execute(query).one()
        return list(found), self.neighbours.transform(vectors, model=model, revision=revision, raw=raw)

    def stats(self, wanted: Filter = ALL) -> Stats:
        """How much there is of what is wanted."""
        with self.database.connect() as connection:
            return count(connection, wanted)

    def tag(self, sha256: str, name: str) -> None:
        """Give a recording a tag, which it may have already.

        Raises:
            ArchiveError: no tag can be called that, or there is no such recording.
        """
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise ArchiveError("a tag has 1 to 100 printable characters")
        with self.database.begin() as connection:
            if connection.scalar(select(recordings.c.sha256).where(recordings.c.sha256 == sha256)) is None:
                raise ArchiveError("there is no such recording in the archive")
            rows.insert(connection, tags, [{"recording": sha256, "name": name.strip()}])

    def untag(self, sha256: str, name: str) -> bool:
        """Take a tag off a recording; False if it had none of that name."""
        with self.database.begin() as connection:
            found = delete(tags).where(tags.c.recording == sha256, tags.c.name == name.strip())
            return bool(connection.execute(found).rowcount)

    def delete(self, sha256s: Iterable[str]) -> int:
        """Delete recordings with everything of them but their outputs directories; gives how many there were."""
        sha256s, gone = set(sha256s), 0
        with self.database.begin() as connection:
            for part in parts(sha256s):
                mine = select(recognitions.c.id).where(recognitions.c.recording.in_(part))
                self._note_deletion(connection, connection.scalars(mine).all())
                gone += connection.execute(delete(recordings).where(recordings.c.sha256.in_(part))).rowcount
        if gone:
            self.neighbours.forget()
            self._forget_learnt(sha256s)
        return gone

    def forget_outputs(self, outputs: Iterable[Path]) -> int:
        """Delete the recognitions of outputs directories, and recordings of which nothing is left."""
        gone, lost = 0, set[str]()
        with self.database.begin() as connection:
            for part in parts({self._reader.stored(path) for path in outputs}):
                found = select(recognitions.c.id, recognitions.c.recording).where(recognitions.c.outputs.in_(part))
                pairs = connection.execute(found).all()
                ids, recorded = [row.id for row in pairs], {row.recording for row in pairs}
                self._note_deletion(connection, ids)
                gone += connection.execute(delete(recognitions).where(recognitions.c.id.in_(ids))).rowcount
                left = select(recognitions.c.recording).where(recognitions.c.recording.in_(recorded))
                lost |= recorded - set(connection.scalars(left))
                connection.execute(delete(recordings).where(recordings.c.sha256.in_(recorded & lost)))
        if gone:
            self.neighbours.forget()
            self._forget_learnt(lost)
        return gone

    def similar(
        self,
        to: Recognition | Found | str,
        *,
        k: int = 10,
        wanted: Filter = ALL,
        segments: bool = False,
        raw: bool = False,
    ) -> list[Neighbour]:
        """The nearest recordings, or segments, by the cosine of their embeddings; never its own.

        Args:
            to: a recognition with its embedding, or one in the archive, by itself or its id.
            k: how many.
            wanted: all of it must hold.
            segments: look among segments.
            raw: compare embeddings as the model gives them; by default they are centred, and whitened within
                emotions where there are enough (see `emovox.archive.similarity.whitening`).

        Raises:
            ArchiveError: it has no embedding, or none of that model are in the archive.
        """
        if isinstance(to, Recognition):
            if to.embedding is None:
                raise ArchiveError("the recognition has no embedding: recognise with embedding=True")
            record = from_recognition(to, id_="")
            assert record.embedding is not None  # noqa: S101  it was checked
            model, revision, sha256, vector = record.model, record.embeddings_of, record.sha256, record.embedding
        else:
            query = (
                select(spaces.c.model, spaces.c.revision, recognitions.c.recording, embeddings.c.vector)
                .select_from(embeddings.join(spaces).join(recognitions))
                .where(embeddings.c.recognition == (to if isinstance(to, str) else to.id))
                .where(embeddings.c.segment == rows.WHOLE)
            )
            with self.database.connect() as connection:
                row = connection.execute(query).one_or_none()
            if row is None:
                raise ArchiveError("the archive has no embedding of it: recognise it again with --embedding")
            model, revision, sha256, vector = row.model, row.revision, row.recording, rows.vector(row.vector)
        asked = k
        while True:  # a recording that was recognised several times is one neighbour all the same
            hits = self.neighbours.search(
                vector, model=model, revision=revision, k=asked, wanted=wanted, segments=segments, raw=raw,
                without=sha256,
            )  # fmt: skip
            found = self._with_recognitions(hits)
            if len(found) >= k or len(hits) < asked:
                return found[:k]
            asked *= 4

    def _with_recognitions(self, hits: Sequence[Hit]) -> list[Neighbour]:
        """Hits with what was recognised; of one recording, or one stretch of it, the nearest."""
        found: dict[str, Found] = {}
        with self.database.connect() as connection:
            for part in parts({hit.recognition for hit in hits}):
                query = joined().where(recognitions.c.id.in_(part))
                found |= {item.id: item for item in self._reader.read(connection, connection.execute(query).all())}
        nearest: dict[tuple[object, ...], Neighbour] = {}
        for hit in hits:
            if (item := found.get(hit.recognition)) is not None:
                part_of = () if hit.segment is None else (hit.segment["start"], hit.segment["end"])
                nearest.setdefault((item.sha256, item.channel, *part_of), Neighbour.of(hit, item))
        return list(nearest.values())

    @staticmethod
    def _forget_learnt(sha256s: Iterable[str]) -> None:
        """Let recordings go from the embeddings that training keeps, too."""
        from emovox.heads import dataset as learnt  # noqa: PLC0415  it loads what hears

        learnt.forget(sha256s)

    def _note_deletion(self, connection: Connection, ids: Sequence[str]) -> None:
        for part in parts(ids):
            counted = (
                select(embeddings.c.space, func.count())
                .where(embeddings.c.recognition.in_(part))
                .group_by(embeddings.c.space)
                .order_by(embeddings.c.space)
            )
            for space, gone in connection.execute(counted).all():
                changed = update(spaces).where(spaces.c.id == space)
                connection.execute(changed.values(deletions=spaces.c.deletions + gone))


def _mark(before: str) -> tuple[float, str]:
    created, _, id_ = before.partition(":")
    try:
        return float(created), id_
    except ValueError:
        raise ArchiveError("before: give what the page before gave") from None


def _cache(database: Engine) -> Path:
    """Where the caches of a database are: beside an SQLite file, and otherwise where models go."""
    if database.url.database and database.dialect.name == "sqlite":
        return Path(f"{database.url.database}.cache")
    name = hashlib.sha256(database.url.render_as_string(hide_password=True).encode()).hexdigest()[:16]
    return settings().cache / "archive" / name
