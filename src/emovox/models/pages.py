"""Pages of files that are mapped into memory, given back to the system once they aren't needed."""

import ctypes
import os
import sys
from pathlib import Path

_DONT_NEED = 4  # MADV_DONTNEED of Linux: drop the pages; what the file holds is not touched


def drop_pages(path: Path) -> None:
    """Give the pages of a file that this process has mapped back, where Linux says which they are.

    A mapping that is kept counts as the process's memory, 1.2 GB for Large, until the system runs short. A page
    that is needed again is read again.

    Args:
        path: of the file, without links.
    """
    if not sys.platform.startswith("linux"):
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, rights, *_, name = line.split(maxsplit=5)
        if name == os.fspath(path) and "w" not in rights:
            start, end = (int(bound, 16) for bound in span.split("-"))
            madvise(start, end - start, _DONT_NEED)
