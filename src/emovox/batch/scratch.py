"""A place for what is decoded and for the ledger, which a killed run leaves to the next one to clear."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "emovox-batch-"
_LOCK = "lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """A new directory for the length of the block; those of runs that died are removed."""
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{_PREFIX}*"):
        with suppress(Timeout, OSError):
            with FileLock(old / _LOCK, blocking=False):
                pass
            shutil.rmtree(old, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with FileLock(place / _LOCK, thread_local=False):
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
