"""Pending: the embeddings of what is stored and not archived yet, on disk, so that neither a kill loses them.

Everything else about a recognition stands in its outputs directory. A file has the directory's name and float32
rows: the recording's embedding, then the segments'; where there is none, a row of what is no number.
"""

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from emovox import files, private
from emovox.archive.record import ArchiveRecord, Floats, read_directory
from emovox.outputs import RESULT


class Pending:
    """What one service has stored and not archived yet. Its methods are for threads."""

    def __init__(self, directory: Path, outputs: Path) -> None:
        """Begin.

        Args:
            directory: where the files are.
            outputs: where the outputs directories are.
        """
        self._directory, self._outputs = directory, outputs
        private.make_directory(directory)

    def add(self, record: ArchiveRecord) -> None:
        """Keep the embeddings of an entry until it is archived.

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
        """Forget what is kept of an outputs directory."""
        with suppress(OSError):
            self._file(name).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The outputs directories of which something is kept."""
        for file in sorted(self._directory.glob("outputs_*.npy")):
            yield file.stem

    def record(self, name: str) -> ArchiveRecord | None:
        """What is to be archived of an outputs directory, with its embeddings; None: it is gone.

        Raises:
            ArchiveError: it can't be read.
        """
        place = self._outputs / name
        if not (place / RESULT).is_file():
            return None
        return with_embeddings(read_directory(place), self._rows(name))

    def _rows(self, name: str) -> Floats | None:
        try:
            rows = np.load(self._file(name), allow_pickle=False)
        except (OSError, ValueError, EOFError):  # gone, or cut short
            return None
        return rows if rows.ndim == 2 and rows.dtype == np.float32 else None

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.npy"


def with_embeddings(record: ArchiveRecord, rows: Floats | None) -> ArchiveRecord:
    """An entry with rows of embeddings as `Pending` keeps them, if they are its own."""
    if rows is None or len(rows) != 1 + len(record.segments):
        return record
    vectors = [row if np.isfinite(row).all() else None for row in rows]
    segments = tuple(
        replace(segment, embedding=vector) for segment, vector in zip(record.segments, vectors[1:], strict=True)
    )
    return replace(record, embedding=vectors[0], segments=segments)
