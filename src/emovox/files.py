"""Files: their checksums, and how one is written so that it is whole or not there at all."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from emovox import private

DRAFT = ".part"  # how the name of a file ends while it is written
_BLOCK = 2**20


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal.

    Raises:
        OSError: it can't be read.
    """
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum.update(block)
    return checksum.hexdigest()


def sync(path: Path) -> None:
    """See a file's bytes onto the disk: a rename must not outlive them when the power fails.

    Raises:
        OSError: it can't be opened, or the disk refuses.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which takes the name `path` when the block ends well and vanishes when it doesn't.

    A process that is killed leaves at most a hidden `.NAME.xxxxxxxx.part`.

    Args:
        path: of the file; what is there is replaced.
        durable: it survives a power cut, too, for which the disk is waited for.

    Raises:
        OSError: it can't be written; nothing is left then.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with private.create(draft) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a small file, as `replacing` does.

    Raises:
        OSError: it can't be written; nothing is left then.
    """
    with replacing(path, durable=durable) as file:
        file.write(data)


def replace_directory(draft: Path, directory: Path) -> None:
    """Put a draft in the place of a directory: one can't be renamed onto another that has files.

    Raises:
        OSError: it can't be renamed.
    """
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    draft.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def aside(path: Path) -> Path:
    """A new name on the same disk, where a rename is one step."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")
