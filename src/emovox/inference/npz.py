"""An .npz file: its arrays written one after the other, and each mapped when it is asked for.

It is what `numpy.savez` writes, an uncompressed zip of .npy files, and `numpy.load` opens it without pickles.
"""

import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emovox import private
from emovox.errors import FramesError

_LOCAL_HEADER = (
    30  # bytes before a member's name; its last two numbers are the lengths of the name and what follows
)


def save(path: Path, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write arrays with their names, each as it comes: there is never a second copy of one in memory.

    Raises:
        OSError: it can't be written.
    """
    with private.create(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays:
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                npy.write_array(member, array, allow_pickle=False)


class Npz:
    """The arrays of a file; it is opened for the first of them."""

    def __init__(self, path: Path) -> None:
        """Begin with the path of the file."""
        self.path = path
        self._members: dict[str, zipfile.ZipInfo] | None = None
        self._arrays: dict[str, NDArray[Any]] = {}

    def get(self, name: str) -> NDArray[Any] | None:
        """An array, mapped read-only: of hours only what is used is read from the disk; None: there is none.

        Raises:
            FramesError: the file is gone, or damaged.
        """
        try:
            if self._members is None:
                with zipfile.ZipFile(self.path) as archive:
                    self._members = {item.filename: item for item in archive.infolist()}
            if name not in self._arrays and (item := self._members.get(f"{name}.npy")) is not None:
                self._arrays[name] = self._map(item)
        except FileNotFoundError:
            raise FramesError(f"{self.path}: it is gone: recognise the recording again") from None
        except OSError as error:
            raise FramesError(f"{self.path}: can't be read: {error.strerror or error}") from error
        except MemoryError:
            raise
        except Exception as error:  # of a damaged header NumPy raises anything
            raise self.damaged(" ".join(str(error).split())[:100]) from error
        return self._arrays.get(name)

    def damaged(self, reason: str) -> FramesError:
        """The error to raise where its contents aren't what they should be."""
        return FramesError(f"{self.path}: damaged, or not written by Emovox ({reason}): recognise again")

    def _map(self, item: zipfile.ZipInfo) -> NDArray[Any]:
        if item.compress_type != zipfile.ZIP_STORED:
            raise ValueError("compressed")
        with self.path.open("rb") as file:
            file.seek(item.header_offset)
            lengths = struct.unpack("<26x2H", file.read(_LOCAL_HEADER))
            file.seek(sum(lengths), 1)
            if npy.read_magic(file) != (1, 0):
                raise ValueError("another version of .npy")
            shape, in_columns, dtype = npy.read_array_header_1_0(file)
            if dtype.hasobject:
                raise ValueError("it has objects")
            if not np.prod(shape):  # nothing to map
                return np.empty(shape, dtype)
            start = file.tell()
        return np.asarray(np.memmap(self.path, dtype, "r", start, shape, "F" if in_columns else "C"))
