"""The outputs directories that the archive knows: a page of those under a root, latest first.

A recognition is one record, whatever copies of its outputs directory there are; here each copy stands by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping, delete, func, select, update

from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord, Floats, clean
from emovox.archive.rows import WHOLE, RecordMapper, joined, parts, position, readings_of, tags_of, unpacked
from emovox.archive.schema import directories, embeddings, recognitions, spaces
from emovox.outputs import RESULT
from emovox.policy import Side

_OWN = ("path", "modified", "name", "duration")


@dataclass(frozen=True)
class DirectoryEmbedding:
    """The embedding that the archive keeps of what is in an outputs directory.

    Attributes:
        sha256: of the recording.
        channel: that was recognised alone, from 1; None: all together.
        model: whose embedding it is.
        revision: of the model, the earliest with these embeddings.
        warnings: of the recognition.
        side: whose voice it is; None: nobody said.
        embedding: float32 (D,), rounded to float16.
    """

    sha256: str
    channel: int | None
    model: str
    revision: str
    warnings: tuple[str, ...]
    side: Side | None
    embedding: Floats


class Directories:
    """The outputs directories in an archive's database; what was deleted by hand may still be among them."""

    def __init__(self, database: Engine, mapper: RecordMapper) -> None:
        self._database, self._mapper = database, mapper

    def page(
        self, root: Path, where: Filter, *, before: str | None, limit: int, only: Iterable[str] | None = None
    ) -> list[tuple[Path, ArchiveRecord, int]]:
        """Those that Emovox made under a root, latest first.

        Args:
            root: their parent.
            where: what must hold.
            before: the name of a directory that they follow.
            limit: how many at most.
            only: the names of those that are meant, a few; by default all.

        Returns:
            Each with its record, with the name and duration that it was recognised with; and when
            its result.json was written, in nanoseconds as `os.stat` has it, or 0 if that is still to be read.
        """
        query = (
            joined().join(directories).add_columns(*(directories.c[name].label(f"own_{name}") for name in _OWN))
        )
        query = query.where(directories.c.parent == self._mapper.stored(root), recognitions.c.emovox.is_not(None))
        if where.name is not None:
            like = func.lower(directories.c.name).contains(where.name.lower(), autoescape=True)
            query = query.where(like)
        if before is not None:
            query = query.where(directories.c.position < position(before))
        if only is not None:
            query = query.where(directories.c.path.in_([self._prefix(root) + clean(name) for name in only]))
        query = query.order_by(directories.c.position.desc()).limit(limit)
        with self._database.connect() as connection:
            conditions = replace(where, name=None).resolved(connection).conditions()
            rows = connection.execute(query.where(*conditions)).mappings().all()
            numbers = readings_of(connection, {row["id"] for row in rows})
            names = tags_of(connection, {row["sha256"] for row in rows})
        return [
            (
                self._mapper.resolved(row["own_path"]),
                self._record(row, numbers.get(row["id"], ()), names.get(row["sha256"], ())),
                row["own_modified"],
            )
            for row in rows
        ]

    def calls(self, root: Path, sha256s: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Of some recordings' channels that were recognised by themselves, which results belong together.

        They are of one model and revision: the latest of each channel, then the latest but one, and so on.

        Returns:
            By the name of each directory under the root, those of its call in the order of channels, its own among
            them; without those that are alone.
        """
        columns = (recognitions.c.recording, recognitions.c.model, recognitions.c.revision, recognitions.c.channel)
        query = select(directories.c.path, *columns).join(recognitions)
        query = query.where(directories.c.parent == self._mapper.stored(root), recognitions.c.channel.is_not(None))
        begin, runs = len(self._prefix(root)), dict[tuple[str, str, str, int], list[str]]()
        with self._database.connect() as connection:
            for part in parts(set(sha256s)):
                ordered = query.where(recognitions.c.recording.in_(part)).order_by(directories.c.position.desc())
                for path, *key in connection.execute(ordered):
                    runs.setdefault(tuple(key), []).append(path[begin:])
        calls: dict[tuple[str, str, str, int], list[str]] = {}
        for (sha256, model, revision, _), names in sorted(runs.items()):
            for rank, name in enumerate(names):
                calls.setdefault((sha256, model, revision, rank), []).append(name)
        return {name: tuple(names) for names in calls.values() for name in names if len(names) > 1}

    def times(self, root: Path) -> dict[str, tuple[datetime, int]]:
        """Of each under a root, by its name: when it was recognised, and when result.json was written."""
        query = select(directories.c.path, recognitions.c.created, directories.c.modified).join(recognitions)
        query = query.where(directories.c.parent == self._mapper.stored(root))
        begin = len(self._prefix(root))
        with self._database.connect() as connection:
            return {
                path[begin:]: (datetime.fromtimestamp(created, timezone.utc), modified)
                for path, created, modified in connection.execute(query)
            }

    def known(self, root: Path, names: Iterable[str]) -> set[str]:
        """The names of directories that are there, of some under a root."""
        prefix, stored_names = self._prefix(root), set[str]()
        with self._database.connect() as connection:
            for part in parts(prefix + clean(name) for name in names):
                query = select(directories.c.path).where(directories.c.path.in_(part))
                stored_names |= {path.removeprefix(prefix) for path in connection.scalars(query)}
        return stored_names

    def embeddings(self, root: Path, names: Iterable[str]) -> dict[str, DirectoryEmbedding]:
        """The embeddings of recordings, by the name of the directory under a root; of some there may be none."""
        prefix, by_name = self._prefix(root), dict[str, DirectoryEmbedding]()
        query = (
            select(
                directories.c.path, recognitions.c.recording, recognitions.c.channel, recognitions.c.warnings,
                recognitions.c.side, spaces.c.model, spaces.c.revision, embeddings.c.vector,
            )
            .select_from(directories.join(recognitions).join(embeddings).join(spaces))
            .where(embeddings.c.segment == WHOLE)
        )  # fmt: skip
        with self._database.connect() as connection:
            for part in parts(prefix + clean(name) for name in names):
                for row in connection.execute(query.where(directories.c.path.in_(part))):
                    by_name[row.path.removeprefix(prefix)] = DirectoryEmbedding(
                        sha256=row.recording,
                        channel=row.channel,
                        model=row.model,
                        revision=row.revision,
                        warnings=tuple(row.warnings.split()),
                        side=row.side,
                        embedding=unpacked(row.vector),
                    )
        return by_name

    def of(self, ids: Iterable[str]) -> dict[str, tuple[Path, ...]]:
        """The outputs directories of recognitions, by their ids; several are copies."""
        by_id: dict[str, tuple[Path, ...]] = {}
        query = select(directories.c.path, directories.c.recognition).order_by(directories.c.path)
        with self._database.connect() as connection:
            for part in parts(ids):
                for row in connection.execute(query.where(directories.c.recognition.in_(part))):
                    by_id[row.recognition] = (*by_id.get(row.recognition, ()), self._mapper.resolved(row.path))
        return by_id

    def drop(self, root: Path, names: Iterable[str]) -> None:
        """Take out what is no longer on disk; its recognitions stay."""
        prefix = self._prefix(root)
        with self._database.begin() as connection:
            for part in parts(prefix + name for name in names):
                connection.execute(delete(directories).where(directories.c.path.in_(part)))

    def resolved(self, text: str) -> Path:
        """The outputs directory that is stored so."""
        return self._mapper.resolved(text)

    def release(self, connection: Connection, texts: Sequence[str]) -> None:
        """Take out some, by their stored paths; recognitions of which there is a copy are of that from now on."""
        connection.execute(delete(directories).where(directories.c.path.in_(texts)))
        copies = select(directories.c.path, recognitions.c.id).join(recognitions)
        for path, id_ in connection.execute(copies.where(recognitions.c.outputs.in_(texts))).all():
            if (self._mapper.resolved(path) / RESULT).is_file():  # it may have been deleted by hand
                connection.execute(update(recognitions).where(recognitions.c.id == id_).values(outputs=path))

    def _record(self, row: RowMapping, numbers: Iterable[RowMapping], names: Iterable[str] = ()) -> ArchiveRecord:
        record = self._mapper.record(row, names, numbers)
        return replace(record, name=row["own_name"], duration=row["own_duration"])

    def _prefix(self, root: Path) -> str:
        """What the stored paths of those under a root begin with: so thousands needn't be made one by one."""
        return self._mapper.stored(root / "x")[:-1]
