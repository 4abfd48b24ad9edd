"""An .npy file, written row by row or at once."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emovox import private


def save(path: Path, array: NDArray[Any]) -> None:
    """Write an array to a file.

    Raises:
        OSError: it can't be written.
    """
    with private.create(path) as file:
        np.save(file, array)


class NpyWriter:
    """A float32 array of any length on disk: hours of frames are never in memory at once."""

    def __init__(self, path: Path, width: int) -> None:
        """Create the file for rows of `width` numbers."""
        self._file = private.create(path, "xb+")
        self._width = width
        self._rows = 0
        self._write_header()

    def write(self, rows: NDArray[np.float32]) -> None:
        """Append rows (n, width)."""
        self._file.write(np.ascontiguousarray(rows, "<f4").data)
        self._rows += len(rows)

    def close(self) -> None:
        """Write the number of rows, and close. A second call does nothing."""
        if not self._file.closed:
            self._file.seek(0)
            self._write_header()
            self._file.close()

    def _write_header(self) -> None:
        """The header; NumPy leaves room in it for the first axis to grow."""
        facts = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, self._width)}
        npy.write_array_header_1_0(self._file, facts)
