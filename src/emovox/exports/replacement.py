"""Replacing a file: the new one is complete, or the old one stays."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from emovox import private, refusals
from emovox.errors import OutputsError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the name `path` when the block ends well and vanishes when it doesn't.

    A process that is killed leaves at most a hidden `.NAME.xxxxxxxx.part`.

    Raises:
        OutputsError: the disk is full, or the directory can't be written to.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            with private.create(draft) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputsError(f"{path}: {refusals.reason(error, '')}") from error
