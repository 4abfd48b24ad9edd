"""The embeddings that training has computed, on disk: by the recording's checksum, and model and precision."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress

import numpy as np
from numpy.typing import NDArray

from emovox import private
from emovox.labels.label_list import Span
from emovox.settings import settings

FILE = "embeddings.sqlite3"  # in the cache directory: it may be deleted at any time

Vector = NDArray[np.float32]


class EmbeddingCache:
    """The embeddings of one model. Several processes may use it at once.

    It only saves time: whatever is wrong with it, the embeddings are computed again.
    """

    def __init__(self, model: str) -> None:
        """Open it, and make it where it isn't there.

        Args:
            model: what tells this model's embeddings from all others.
        """
        self._model = model
        self._database: sqlite3.Connection | None = None
        with suppress(OSError, sqlite3.Error):
            settings().cache.mkdir(parents=True, exist_ok=True)
            private.touch(settings().cache / FILE)
            self._database = sqlite3.connect(settings().cache / FILE, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS embedding (model TEXT, sha256 TEXT, value BLOB, "
                "PRIMARY KEY (model, sha256)) WITHOUT ROWID"
            )

    def get(self, sha256: str, channel: int | None = None, span: Span | None = None) -> Vector | None:
        """The embedding (D,) of the recording with that checksum, a channel or a stretch of it, if it is there."""
        with suppress(sqlite3.Error):
            row = (
                self._database
                and self._database.execute(
                    "SELECT value FROM embedding WHERE model = ? AND sha256 = ?",
                    (self._key(channel, span), sha256),
                ).fetchone()
            )
            return np.frombuffer(row[0], "<f4").astype(np.float32) if row else None
        return None

    def put(self, sha256: str, embedding: Vector, channel: int | None = None, span: Span | None = None) -> None:
        """Add one, (D,)."""
        with suppress(sqlite3.Error):
            if self._database is not None:
                value = embedding.astype("<f4").tobytes()
                self._database.execute(
                    "INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", (self._key(channel, span), sha256, value)
                )

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()

    def _key(self, channel: int | None, span: Span | None) -> str:
        part = "" if channel is None else f" channel {channel}"
        return f"{self._model}{part}" if span is None else f"{self._model}{part} {span[0]:g} to {span[1]:g} s"


def stored(sha256: str) -> list[Vector]:
    """All embeddings (D,) of a recording, by any model."""
    file = settings().cache / FILE
    with suppress(OSError, sqlite3.Error):
        if file.exists():
            with closing(sqlite3.connect(file, timeout=30)) as database:
                query = database.execute("SELECT value FROM embedding WHERE sha256 = ?", (sha256,))
                return [np.frombuffer(value, "<f4").astype(np.float32) for (value,) in query]
    return []


def forget(sha256s: Iterable[str]) -> None:
    """Remove the embeddings of recordings, by every model, from the cache and from its file."""
    file = settings().cache / FILE
    with suppress(OSError, sqlite3.Error):
        if file.exists():
            with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete=ON")  # what was deleted is overwritten
                database.executemany("DELETE FROM embedding WHERE sha256 = ?", [(sha256,) for sha256 in sha256s])
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
