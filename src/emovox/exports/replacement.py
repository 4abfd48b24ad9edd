"""Replacing a file, with the errors of outputs: the new one is complete, or the old one stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emovox import files, refusals
from emovox.errors import OutputsError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """As `files.replacing`.

    Raises:
        OutputsError: the disk is full, or the directory can't be written to.
    """
    try:
        with files.replacing(path) as file:
            yield file
    except OSError as error:
        raise OutputsError(f"{path}: {refusals.reason(error, '')}") from error
