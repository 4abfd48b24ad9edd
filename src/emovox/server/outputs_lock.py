"""The lock on the outputs: one service uses them at a time, and notices when the lock is deleted."""

import asyncio
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from emovox import private
from emovox.errors import SettingsError
from emovox.server.http.problems import log

EVERY = 2.0  # seconds between checks


class OutputsLock:
    """A lock on a file in the service's directory; if they are deleted, they are created again."""

    def __init__(self, directory: Path) -> None:
        """Take it.

        Args:
            directory: the service's own among the outputs; it is created if necessary.

        Raises:
            SettingsError: another service has it.
            OSError: the directory can't be created.
        """
        self._directory = directory
        self._lost = False
        try:
            self._take()
        except Timeout:
            outputs = directory.parent.parent
            raise SettingsError(
                f"another service is using the outputs in {outputs}: stop it, or set EMOVOX_OUTPUTS"
            ) from None

    async def round(self) -> None:
        """Check once."""
        await asyncio.to_thread(self.check)

    def check(self) -> None:
        """See whether the lock's file is still the one that was locked; if it isn't, create it again."""
        with suppress(OSError):
            if self._file.stat().st_ino == self._inode:
                return
        with suppress(OSError):
            self._lock.release()
        try:
            self._take()
        except Timeout:
            if not self._lost:
                log.error(
                    "%s was deleted, and another service is using the outputs: stop one of the two", self._file
                )
            self._lost = True
        except OSError as error:
            log.error(
                "%s was deleted while the service was running, and can't be created again: %s", self._file, error
            )
        else:
            log.error("%s was deleted while the service was running: created it again", self._file)
            self._lost = False

    def release(self) -> None:
        """Let another service have it."""
        self._lock.release()

    def _take(self) -> None:
        private.make_directory(self._directory)
        private.close(
            self._directory.parent
        )  # with the drafts and everything else that is hidden among the outputs
        self._file = self._directory / "lock"
        lock = FileLock(self._file, mode=private.lock_mode(self._file), thread_local=False)
        lock.acquire(blocking=False)
        self._lock, self._inode = lock, self._file.stat().st_ino
