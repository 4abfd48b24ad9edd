"""The backlog: embeddings of outputs that are not archived yet, on disk, so that not even a kill loses them.

Everything else about a recognition is in its outputs directory. A file has the directory's name, and float32 rows:
the recording's embedding, then the segments'; a row of NaN where there is none.
"""

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from emovox import files, private
from emovox.archive.outputs_directory import read_directory
from emovox.archive.record import ArchiveRecord, Floats
from emovox.outputs import RESULT


class Backlog:
    """The outputs that one service has stored but not archived yet. Its methods are for threads."""

    def __init__(self, directory: Path, outputs: Path) -> None:
        """Begin.

        Args:
            directory: of the files.
            outputs: the parent of the outputs directories.
        """
        self._directory, self._outputs = directory, outputs
        private.make_directory(directory)

    def add(self, record: ArchiveRecord) -> None:
        """Keep a record's embeddings until it is archived.

        Raises:
            OSError: they can't be written.
        """
        vectors = [record.embedding, *(segment.embedding for segment in record.segments)]
        width = next((len(vector) for vector in vectors if vector is not None), 0)
        if record.outputs is None or not width:
            return
        nothing = np.full(width, np.nan, np.float32)
        file = io.BytesIO()
        np.save(file, np.stack([nothing if vector is None else vector for vector in vectors]))
        private.make_directory(self._directory)
        files.write(self._file(record.outputs.name), file.getvalue(), durable=False)

    def remove(self, name: str) -> None:
        """Remove an outputs directory from the backlog."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The names of the outputs directories in the backlog."""
        for file in sorted(self._directory.glob("outputs_*.npy")):
            yield file.stem

    def record(self, name: str) -> ArchiveRecord | None:
        """The record of an outputs directory, with its embeddings; None if the directory is gone.

        Raises:
            ArchiveError: it can't be read.
        """
        directory = self._outputs / name
        if not (directory / RESULT).is_file():
            return None
        return with_embeddings(read_directory(directory), self._rows(name))

    def _rows(self, name: str) -> Floats | None:
        try:
            rows = np.load(self._file(name), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # gone, or cut short
            return None
        return rows if rows.ndim == 2 and rows.dtype == np.float32 else None

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.npy"


def with_embeddings(record: ArchiveRecord, rows: Floats | None) -> ArchiveRecord:
    """A record with embeddings as the backlog keeps them, if they are its own."""
    if rows is None or len(rows) != 1 + len(record.segments):
        return record
    vectors = [row if np.isfinite(row).all() else None for row in rows]
    segments = tuple(
        replace(segment, embedding=vector) for segment, vector in zip(record.segments, vectors[1:], strict=True)
    )
    return replace(record, embedding=vectors[0], segments=segments)
