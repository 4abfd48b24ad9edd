"""Directories that are too deep for a path, or for a recursion."""

import os
from pathlib import Path

NAME = 250 * "d"


def too_deep(root: Path) -> Path:
    """Make directories below one until no path leads on; gives the first that can't be listed by its path."""
    sink(root, NAME, 20)
    path = root
    while len(os.fsencode(path)) < 4096:
        path /= NAME
    return path


def sink(root: Path, name: str, levels: int) -> None:
    """Make so many directories of a name in one another, the last with a recording and a result."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        here, above = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(above)
    for file in ("deepest.wav", "result.json"):
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
