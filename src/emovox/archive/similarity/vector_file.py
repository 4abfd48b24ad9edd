"""The vector file: the vectors of one space, memory-mapped; a cache of the database.

    NAME.json              how many rows are valid, and how they were made
    NAME.SERIAL.vectors    float16 (rows, D), each of length 1
    NAME.SERIAL.ids        int64 (rows,), the embeddings' ids, ascending

New rows are appended. When rows were deleted from the database, the others are copied to files of the next serial,
and the old ones removed; whoever has those open goes on reading them. All of it may be deleted at any time.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from emovox import private
from emovox.archive.record import Floats

Ids = NDArray[np.int64]
_BLOCK = 65_536  # rows that are copied at once


@dataclass(frozen=True)
class State:
    """What the files hold.

    Attributes:
        serial: in the files' names.
        key: how the vectors were made.
        width: D.
        rows: how many are valid.
        last: the highest id that was read from the database.
        deletions: of the space, when they were read.
    """

    serial: int
    key: str
    width: int
    rows: int
    last: int
    deletions: int


@dataclass(frozen=True)
class Ranking:
    """Rows with their cosines; −∞: left out."""

    ids: Ids
    cosines: Floats

    def first(self, k: int) -> list[tuple[int, float]]:
        """The ids and cosines of the k nearest, nearest first."""
        best = np.argpartition(-self.cosines, k)[:k] if k < len(self.ids) else np.arange(len(self.ids))
        best = best[np.lexsort((best, -self.cosines[best]))]
        return [(int(self.ids[row]), float(self.cosines[row])) for row in best if self.cosines[row] > -np.inf]

    def among(self, ids: Ids) -> "Ranking":
        """The rows with these ids."""
        rows = np.flatnonzero(np.isin(self.ids, ids, assume_unique=True))
        return Ranking(self.ids[rows], self.cosines[rows])


class VectorFile:
    """The vectors of one space. One thread at a time may use it; other processes may use the same files."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._open: State | None = None
        self._ids: Ids = np.empty(0, np.int64)
        self._vectors: NDArray[np.float16] = np.empty((0, 0), np.float16)

    def refresh(
        self,
        *,
        key: str,
        width: int,
        last: int,
        deletions: int,
        alive: Callable[[], Ids],
        read: Callable[[int], Iterator[tuple[Ids, Floats]]],
    ) -> None:
        """Make it equal to the database.

        Args:
            key: how vectors are made; if it has changed all of them are made again.
            width: D.
            last: the highest id in the database.
            deletions: how many rows have been deleted from it so far.
            alive: gives all ids in the database, ascending.
            read: gives blocks of the rows with ids above one, ascending.
        """
        state = self._read_state()
        if state is None or (state.key, state.width, state.last, state.deletions) != (key, width, last, deletions):
            private.make_directory(self._directory)
            lock = self._directory / f"{self._name}.lock"
            with FileLock(lock, mode=private.lock_mode(lock)):
                state = self._read_state()
                if state is not None and (state.key != key or state.width != width):
                    state = None
                if state is not None and (state.deletions != deletions or state.last > last):
                    state = self._compact(state, alive(), deletions)
                state = state or State(self._next_serial(), key, width, 0, 0, deletions)
                self._write_state(self._append(state, read))
                self._sweep()
        self._map()

    def rank(self, query: Floats, *, without: Ids) -> "Ranking":
        """All rows with their cosines to a query, float32 (D,) of length 1, but those with some ids."""
        if not len(self._ids):
            return Ranking(self._ids, np.empty(0, np.float32))
        import numkong  # noqa: PLC0415  only searching needs it

        distances = numkong.cdist(query.astype(np.float16)[np.newaxis], self._vectors, "angular")
        cosines = 1 - np.asarray(distances, np.float32)[0]
        rows = np.searchsorted(self._ids, without)
        rows = rows[(rows < len(self._ids)) & np.isin(self._ids[rows % len(self._ids)], without)]
        cosines[rows] = -np.inf
        return Ranking(self._ids, cosines)

    def rows(self) -> tuple[Ids, NDArray[np.float16]]:
        """All ids (n,) and vectors (n, D)."""
        return self._ids, self._vectors

    def close(self) -> None:
        """Unmap the files."""
        self._open, self._ids = None, np.empty(0, np.int64)
        self._vectors = np.empty((0, 0), np.float16)

    def _append(self, state: State, read: Callable[[int], Iterator[tuple[Ids, Floats]]]) -> State:
        rows, last = state.rows, state.last
        vectors, ids = self._files(state)
        with _writable(vectors) as vector_file, _writable(ids) as id_file:
            vector_file.seek(rows * state.width * 2)
            id_file.seek(rows * 8)
            for block_ids, block in read(last):
                block.astype("<f2").tofile(vector_file)
                block_ids.astype("<i8").tofile(id_file)
                rows, last = rows + len(block_ids), int(block_ids[-1])
            for file in (vector_file, id_file):
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        return State(state.serial, state.key, state.width, rows, last, state.deletions)

    def _compact(self, state: State, alive: Ids, deletions: int) -> State:
        """Copy the rows that are still in the database to new files."""
        old_ids = np.fromfile(self._files(state)[1], "<i8", state.rows)
        rows = np.flatnonzero(np.isin(old_ids, alive, assume_unique=True))
        last = int(old_ids[rows[-1]]) if len(rows) else 0
        new = State(self._next_serial(), state.key, state.width, len(rows), last, deletions)
        vectors, ids = self._files(new)
        with _writable(vectors) as vector_file, _writable(ids) as id_file:
            if len(rows):
                old = np.memmap(self._files(state)[0], "<f2", "r", shape=(state.rows, state.width))
                for first in range(0, len(rows), _BLOCK):
                    old[rows[first : first + _BLOCK]].tofile(vector_file)
            old_ids[rows].tofile(id_file)
        return new

    def _map(self) -> None:
        state = self._read_state()
        if state is None or state == self._open:
            return
        vectors, ids = self._files(state)
        if state.rows:
            self._vectors = np.memmap(vectors, "<f2", "r", shape=(state.rows, state.width))
            self._ids = np.fromfile(ids, "<i8", state.rows)
        else:
            self._vectors, self._ids = np.empty((0, state.width), np.float16), np.empty(0, np.int64)
        self._open = state

    def _read_state(self) -> State | None:
        """What the files hold; None if they are missing, damaged or too short."""
        try:
            state = State(**json.loads((self._directory / f"{self._name}.json").read_text(encoding="utf-8")))
            sizes = [path.stat().st_size for path in self._files(state)]
        except (OSError, ValueError, TypeError):
            return None
        return state if sizes[0] >= state.rows * state.width * 2 and sizes[1] >= state.rows * 8 else None

    def _write_state(self, state: State) -> None:
        file = self._directory / f"{self._name}.json"
        draft = file.with_suffix(".draft")
        with private.create(draft, "w", encoding="utf-8") as text:
            text.write(json.dumps(asdict(state)))
        draft.replace(file)

    def _files(self, state: State) -> tuple[Path, Path]:
        name = f"{self._name}.{state.serial}"
        return self._directory / f"{name}.vectors", self._directory / f"{name}.ids"

    def _next_serial(self) -> int:
        serials = [path.name.split(".")[-2] for path in self._directory.glob(f"{self._name}.*.ids")]
        return 1 + max(map(int, serials), default=0)

    def _sweep(self) -> None:
        """Remove files of other serials."""
        state = self._read_state()
        current = () if state is None else self._files(state)
        for suffix in ("vectors", "ids"):
            for path in self._directory.glob(f"{self._name}.*.{suffix}"):
                if path not in current:
                    with suppress(OSError):  # on Windows, while another process has it open
                        path.unlink()


def _writable(path: Path) -> Any:
    """A file that is open for writing, made if it isn't there; what it holds stays."""
    return private.create(path, "rb+" if path.exists() else "wb+")
