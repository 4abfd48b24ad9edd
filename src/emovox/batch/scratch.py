"""A place for what is decoded and for the ledger, which a killed run leaves to the next one to clear."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "emovox-batch-"
_LOCK = ".lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """A new directory for the length of the block; those of runs that died are removed.

    Its lock lies beside it and is held before it is made: whoever clears finds no directory that nobody holds yet.
    """
    root = Path(tempfile.gettempdir())
    for lock in root.glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(Timeout, OSError), FileLock(lock, blocking=False):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
    place = root / f"{_PREFIX}{secrets.token_hex(8)}"
    lock = place.with_suffix(_LOCK)
    with FileLock(lock, mode=0o600, thread_local=False):
        try:
            place.mkdir(mode=0o700)
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # Windows keeps what is open
                lock.unlink(missing_ok=True)
