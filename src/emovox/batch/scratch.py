"""A scratch directory for waveforms and the ledger; what a killed run leaves, the next one clears."""

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
    """A new directory for the length of the block; those that dead runs left are removed.

    Its lock, beside it, is taken before it is made, so that no directory is ever seen without an owner.
    """
    root = Path(tempfile.gettempdir())
    for lock in root.glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(Timeout, OSError), FileLock(lock, blocking=False):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
    directory = root / f"{_PREFIX}{secrets.token_hex(8)}"
    lock = directory.with_suffix(_LOCK)
    with FileLock(lock, mode=0o600, thread_local=False):
        try:
            directory.mkdir(mode=0o700)
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            with suppress(OSError):  # Windows doesn't delete open files
                lock.unlink(missing_ok=True)
