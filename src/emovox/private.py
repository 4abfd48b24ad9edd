"""Files of people's voices, and of what was inferred from them: their owner's alone, from their beginning.

A directory with the setgid bit (`chmod g+s`) is shared on purpose: what is made in it has its group's rights.
Nothing is open to everybody. Windows has rights of its own: there all this changes nothing.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any


def make_directory(path: Path) -> None:
    """Make a directory, and what is missing above it; one that is there stays as it is.

    Raises:
        OSError: it can't be made, or is no directory.
    """
    missing = [path]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for directory in reversed(missing):
        rights = _group(directory)
        try:
            directory.mkdir(0o700 | rights)
        except FileExistsError:
            if not directory.is_dir():
                raise
            continue
        if rights:
            directory.chmod(stat.S_IMODE(directory.stat().st_mode) | stat.S_ISGID | rights)  # what the umask took


def close(directory: Path) -> None:
    """Close a directory that an older version left open to others, unless it is shared."""
    mode = directory.stat().st_mode
    if mode & 0o077 and not mode & stat.S_ISGID:
        with suppress(PermissionError):  # somebody else's
            directory.chmod(0o700)


def create(path: str | Path, mode: str = "xb", **options: Any) -> Any:
    """Open a file to be made, as `open` does; of bytes or of text, as the mode says.

    Raises:
        OSError: it can't be made.
    """
    return open(path, mode, opener=_open, **options)  # Path.open takes no opener


def touch(path: Path) -> None:
    """Make an empty file, unless there is one.

    Raises:
        OSError: it can't be made.
    """
    with suppress(FileExistsError):
        create(path).close()


def lock_mode(path: Path) -> int:
    """The rights of a lock file."""
    return 0o600 | _group(path) & 0o060


def _open(path: str, flags: int) -> int:
    rights = _group(Path(path)) & 0o060
    file = os.open(path, flags, 0o600 | rights)
    if rights and not os.fstat(file).st_size:  # it is new, or as good as new: give it what the umask took
        with suppress(PermissionError):  # somebody else's
            os.fchmod(file, 0o600 | rights)
    return file


def _group(path: Path) -> int:
    """The rights of the group where the directory that something is made in is shared with one."""
    mode = os.stat(path.parent).st_mode  # noqa: PTH116  follows links, as making does
    return mode & stat.S_IRWXG if mode & stat.S_ISGID else 0
