"""Importing: outputs directories into the archive, again and again, without anything being there twice."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emovox import directories
from emovox.errors import ArchiveError
from emovox.library.archive import Archive
from emovox.library.entry import Entry, read_directory
from emovox.outputs import RESULT


def _refuse(path: Path, reason: str) -> None:
    raise ArchiveError(f"{path}: {reason}")


def find_directories(root: Path, *, failed: directories.Failed = _refuse) -> list[Path]:
    """The outputs directories that a path means: itself, or all below it, sorted; hidden ones are none.

    Args:
        root: where to look.
        failed: is told of directories that can't be read; the rest is searched all the same.

    Raises:
        ArchiveError: there are none; or one can't be read, and nobody is told.
    """
    if os.path.isfile(root / RESULT):  # noqa: PTH113  what is too deep raises no error here
        return [root]
    unreadable: list[Path] = []

    def note(path: Path, reason: str) -> None:
        unreadable.append(path)
        failed(path, reason)

    found = [path.parent for path in directories.files(root, note) if path.name == RESULT]
    if not found and not unreadable:
        there = os.path.isdir(root)  # noqa: PTH112
        reason = f"no outputs directories in it: none has a {RESULT}" if there else "no such directory"
        raise ArchiveError(f"{root}: {reason}")
    return sorted(found)


def import_directories(
    archive: Archive,
    directories: Iterable[Path],
    *,
    model: str | None = None,
    failed: Callable[[Path, str], None] = lambda _, __: None,
    done: Callable[[], None] = lambda: None,
) -> int:
    """Archive outputs directories; one that can't be read doesn't stop the others.

    Args:
        archive: where they go.
        directories: of Emovox, or of another program with the same layout.
        model: NAME or NAME@REVISION of those that don't say which model it was.
        failed: is told of each that can't be read, and why.
        done: is called after each.

    Returns:
        How many were new.
    """

    def entries() -> Iterator[Entry]:
        for directory in directories:
            try:
                entry = read_directory(directory, model=model)
            except ArchiveError as error:
                failed(directory, str(error).removeprefix(f"{directory}: "))
            else:
                yield entry
            done()

    return archive.add_entries(entries())
