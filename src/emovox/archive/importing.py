"""Importing: outputs directories into the archive; what is there already isn't added again."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from emovox.archive.archive import Archive
from emovox.archive.outputs_directory import read_directory
from emovox.archive.record import ArchiveRecord
from emovox.errors import ArchiveError


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
        directories: Emovox's, or another program's of the same layout.
        model: NAME or NAME@REVISION, for those that don't name their model.
        failed: is told of each that can't be read, and why.
        done: is called after each.

    Returns:
        How many were new.
    """

    def records() -> Iterator[ArchiveRecord]:
        for directory in directories:
            try:
                record = read_directory(directory, model=model)
            except ArchiveError as error:
                failed(directory, str(error).removeprefix(f"{directory}: "))
            else:
                yield record
            done()

    return archive.add_records(records())
