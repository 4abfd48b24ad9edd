"""Embeddings of labelled recordings, each computed once: by checksum, model and precision."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox import files, private
from emovox.errors import AudioError, DecoderError, EmovoxError, LabelsError
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from emovox.outputs import RESULT
from emovox.settings import settings

FILE = "embeddings.sqlite3"  # in the cache: it may be deleted at any time

Vector = NDArray[np.float32]
Failure = tuple[str, str]


class Cache:
    """Embeddings on disk, for as long as nobody deletes them. Several processes may use it at once.

    It only saves time: whatever is wrong with it, the embeddings are computed instead.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        """Open the cache for what this model computes."""
        model = recognizer.model
        self._model = f"{recognizer.metadata.embedding_checksum or model.checksum} {model.precision}"
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

    def get(self, sha256: str) -> Vector | None:
        """The embedding (D,) of the recording with that checksum, if it is there."""
        with suppress(sqlite3.Error):
            row = (
                self._database
                and self._database.execute(
                    "SELECT value FROM embedding WHERE model = ? AND sha256 = ?", (self._model, sha256)
                ).fetchone()
            )
            return np.frombuffer(row[0], "<f4").astype(np.float32) if row else None
        return None

    def put(self, sha256: str, embedding: Vector) -> None:
        """Keep one, (D,)."""
        with suppress(sqlite3.Error):
            if self._database is not None:
                value = embedding.astype("<f4").tobytes()
                self._database.execute(
                    "INSERT OR REPLACE INTO embedding VALUES (?, ?, ?)", (self._model, sha256, value)
                )

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()


def forget(sha256s: Iterable[str]) -> None:
    """Remove the embeddings of recordings, by every model, from the cache and from its file."""
    file = settings().cache / FILE
    with suppress(OSError, sqlite3.Error):
        if file.exists():
            with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete=ON")  # what was deleted is overwritten
                database.executemany("DELETE FROM embedding WHERE sha256 = ?", [(sha256,) for sha256 in sha256s])
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def embed(
    rows: Sequence[Labelled], recognizer: Recognizer, *, begin: Callable[[str], None] = lambda _: None
) -> tuple[NDArray[np.float32], list[Labelled], list[Failure], list[str]]:
    """Embeddings of recordings, or of `embedding.npy` files, of which the mean over the frames is taken.

    Args:
        rows: the list.
        recognizer: the model.
        begin: is told the name of each before its turn.

    Returns:
        float32 (n, D), the n rows that they belong to, the names of the others with what is wrong, and the sha256
        of the recordings as far as they are known: those of bare `embedding.npy` files aren't.

    Raises:
        LabelsError: not one could be used.
        DecoderError: as `Recognizer.recognize`.
    """
    found, kept, failures, sha256s = [], [], [], []
    with closing(Cache(recognizer)) as cache:
        for row in rows:
            begin(row.name)
            try:
                embedding, sha256 = _embedding(row.path, recognizer, cache)
                found.append(embedding)
                kept.append(row)
                sha256s += [] if sha256 is None else [sha256]
            except AudioError as error:
                failures.append((row.name, error.reason))
            except DecoderError:  # no recording's fault
                raise
            except EmovoxError as error:
                failures.append((row.name, str(error)))
    if not found:
        name, reason = failures[0]
        raise LabelsError(f"none of the {len(failures)} recordings can be used; {name}: {reason}")
    return np.stack(found), kept, failures, sha256s


def _embedding(path: Path, recognizer: Recognizer, cache: Cache) -> tuple[Vector, str | None]:
    if path.suffix.lower() == ".npy":
        return _stored(path, recognizer)
    sha256 = _checksum(path)
    known = cache.get(sha256)
    if known is not None and known.shape == (recognizer.metadata.embedding_size,):
        return known, sha256
    result = recognizer.recognize(path, embedding=True)
    assert result.embedding is not None  # noqa: S101  asked for
    heard: Vector = result.embedding[0]
    cache.put(result.recording.sha256, heard)
    return heard, sha256


def _stored(path: Path, recognizer: Recognizer) -> tuple[Vector, str | None]:
    """The mean of an embedding.npy, (D,), and its recording's sha256 where the outputs directory says it.

    Raises:
        LabelsError: unreadable, or another model's.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LabelsError(f"no embedding: {' '.join(str(error).split())}") from error
    mean: Vector = np.atleast_2d(np.asarray(values, np.float32)).mean(axis=0)
    width, model = recognizer.metadata.embedding_size, recognizer.model
    if values.ndim > 2 or mean.shape != (width,) or not np.isfinite(mean).all():
        raise LabelsError(f"{model.name} gives {width} numbers, and this is an array of {values.shape}")
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((path.parent / RESULT).read_bytes())
        by = facts["model"]
        if (by["name"], by.get("embedding_revision") or by["revision"]) != (model.name, model.embeddings_of):
            raise LabelsError(
                f"it is from {by['name']} {by['revision']}, and this is {model.name} {model.revision}"
            )
        return mean, bytes.fromhex(facts["recording"]["sha256"]).hex()
    return mean, None


def _checksum(path: Path) -> str:
    """sha256 of a file.

    Raises:
        AudioError: it can't be read.
    """
    try:
        return files.digest(path)
    except OSError as error:
        raise AudioError(f"can't be read: {error.strerror or error}") from error
