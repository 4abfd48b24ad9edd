"""The ledger: what is to be done, what is done, and which recording owns each content. On disk, not in memory.

It is rebuilt at every start from the listing and the existing shards: those are the truth, and this is an index of
them. Workers on the same machine open it too, to claim the contents they find.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from emovox import private
from emovox.batch.tasks import Item
from emovox.errors import OutputsError

_TABLES = """
CREATE TABLE IF NOT EXISTS items (
    path TEXT PRIMARY KEY, row_group INTEGER, row INTEGER, name TEXT, sides TEXT, notes TEXT,
    state INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (number INTEGER PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS contents (
    sha256 TEXT PRIMARY KEY, owner TEXT NOT NULL, shard TEXT, reason TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS twins (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS speakers (path TEXT PRIMARY KEY, speaker TEXT NOT NULL) WITHOUT ROWID;
"""
_WAITING, _DONE = 0, 1


class Ledger:
    """An index on disk. Threads may share it; another process opens the same file.

    Every method raises OutputsError if it can't be read or written, for example because the disk is full.
    """

    def __init__(self, path: str | Path) -> None:
        """Open it, or create it."""
        self._lock = threading.Lock()
        self._path = path
        private.touch(Path(path))
        self._base = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        with self._writing():
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=OFF")  # it is rebuilt after a crash
            self._base.executescript(_TABLES)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._base.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.OperationalError as error:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise OutputsError(f"{self._path}: {error}: set TMPDIR to a directory with free space") from error

    def add_done(self, rows: Iterable[tuple[str, str | None]], shard: str) -> None:
        """Add the rows of a shard: path, and checksum, or None for a recording that failed."""
        rows = list(rows)
        with self._writing():
            self._base.execute("BEGIN")
            self._base.executemany(
                "INSERT OR REPLACE INTO items VALUES (?, NULL, NULL, NULL, NULL, NULL, 1)",
                ((path,) for path, _ in rows),
            )
            self._base.executemany(
                "INSERT OR REPLACE INTO contents VALUES (?, ?, ?, NULL)",
                ((sha256, path, shard) for path, sha256 in rows if sha256 is not None),
            )
            self._base.execute("COMMIT")

    def done(self) -> int:
        """How many items are done."""
        with self._writing():
            return int(self._base.execute("SELECT count(*) FROM items WHERE state=1").fetchone()[0])

    def is_done(self, path: str) -> bool:
        """Whether a recording is done."""
        with self._writing():
            return (
                self._base.execute("SELECT 1 FROM items WHERE path=? AND state=1", (path,)).fetchone() is not None
            )

    def keep(self, names: Iterable[str]) -> None:
        """Note the outputs directories that rows refer to."""
        with self._writing():
            self._base.executemany("INSERT OR IGNORE INTO kept VALUES (?)", ((name,) for name in names))

    def is_kept(self, name: str) -> bool:
        """Whether a row refers to this outputs directory."""
        with self._writing():
            return self._base.execute("SELECT 1 FROM kept WHERE name=?", (name,)).fetchone() is not None

    def add(self, items: Iterable[Item], *, queued: bool = True) -> int:
        """Add listed items, for `take` to hand out if they are `queued`; returns how many are new."""
        new = 0
        with self._writing():
            self._base.execute("BEGIN")
            for item in items:
                if item.speaker:
                    self._base.execute("INSERT OR IGNORE INTO speakers VALUES (?, ?)", (item.path, item.speaker))
                notes = None if item.notes is None else json.dumps(item.notes)
                row = (item.path, *(item.row or (None, None)), item.column, item.sides, notes, _WAITING)
                if self._base.execute("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", row).rowcount:
                    if queued:
                        self._base.execute("INSERT INTO queue(path) VALUES (?)", (item.path,))
                    new += 1
            self._base.execute("COMMIT")
        return new

    def speaker(self, path: str) -> str:
        """Whose recording it is, as listed; "": the list doesn't say."""
        with self._writing():
            row = self._base.execute("SELECT speaker FROM speakers WHERE path=?", (path,)).fetchone()
        return "" if row is None else str(row[0])

    def take(self, count: int) -> list[Item]:
        """Hand out the next items, each once."""
        with self._writing():
            rows = self._base.execute(
                "SELECT number, items.path, row_group, row, name, sides, notes FROM queue JOIN items USING (path) "
                "ORDER BY number LIMIT ?",
                (count,),
            ).fetchall()
            if rows:
                self._base.execute("DELETE FROM queue WHERE number <= ?", (rows[-1][0],))
        return [
            Item(
                path,
                None if group is None else (group, row),
                name,
                sides=sides,
                notes=None if notes is None else json.loads(notes),
            )
            for _, path, group, row, name, sides, notes in rows
        ]

    def settle(self, path: str) -> bool:
        """Note that a recording is done; returns whether it wasn't before."""
        with self._writing():
            return bool(self._base.execute("UPDATE items SET state=1 WHERE path=? AND state=0", (path,)).rowcount)

    def claim(self, sha256: str, path: str) -> bool:
        """Whether the recording at `path` is the one to be recognised for this content."""
        with self._writing():
            self._base.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, NULL, NULL)", (sha256, path))
            row = self._base.execute("SELECT owner, shard FROM contents WHERE sha256=?", (sha256,)).fetchone()
        return bool(row[0] == path and row[1] is None)

    def stored(self, contents: Iterable[tuple[str, str]], shard: str) -> None:
        """Note the shard that contents, (checksum, path), are in."""
        with self._writing():
            self._base.execute("BEGIN")
            self._base.executemany(
                "INSERT INTO contents VALUES (?, ?, ?, NULL) "
                "ON CONFLICT (sha256) DO UPDATE SET shard=excluded.shard WHERE shard IS NULL",
                ((sha256, path, shard) for sha256, path in contents),
            )
            self._base.execute("COMMIT")

    def failed(self, sha256: str, path: str, reason: str) -> None:
        """Note why a recording can't be used, for others with the same content."""
        with self._writing():
            self._base.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, NULL, NULL)", (sha256, path))
            self._base.execute("UPDATE contents SET reason=? WHERE sha256=? AND shard IS NULL", (reason, sha256))

    def contents(self, count: int) -> Iterator[list[str]]:
        """Checksums of the contents stored before, so many at a time."""
        last = ""
        while True:
            with self._writing():
                rows = self._base.execute(
                    "SELECT sha256 FROM contents WHERE shard IS NOT NULL AND sha256 > ? ORDER BY sha256 LIMIT ?",
                    (last, count),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [row[0] for row in rows]

    def add_twin(self, path: str, sha256: str) -> None:
        """Note a recording with the same content as another."""
        with self._writing():
            self._base.execute("INSERT OR IGNORE INTO twins VALUES (?, ?)", (path, sha256))

    def twins(
        self, count: int, *, all_of_them: bool = False
    ) -> Iterator[tuple[str | None, str | None, list[tuple[str, str]]]]:
        """Hand out twins whose content is done, each once: (shard, reason, [(path, checksum)]), by shard.

        Args:
            count: how many at a time.
            all_of_them: also those whose content isn't done; they have neither shard nor reason.
        """
        while True:
            with self._writing():
                rows = self._base.execute(
                    "SELECT shard, reason, path, sha256 FROM twins LEFT JOIN contents USING (sha256) "
                    "WHERE ? OR shard IS NOT NULL OR reason IS NOT NULL ORDER BY shard, reason LIMIT ?",
                    (all_of_them, count),
                ).fetchall()
                self._base.executemany("DELETE FROM twins WHERE path=?", ((row[2],) for row in rows))
            if not rows:
                return
            for shard, reason in dict.fromkeys(row[:2] for row in rows):
                yield shard, reason, [row[2:] for row in rows if row[:2] == (shard, reason)]
