"""The lock on the outputs: one service works on them at a time, and notices when somebody takes it away."""

import asyncio
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from emovox import private
from emovox.errors import SettingsError
from emovox.server.http.problems import log

EVERY = 2.0  # seconds from one check to the next


class OutputsLock:
    """A lock on a file in the service's directory, which is made again with it when somebody deletes them."""

    def __init__(self, directory: Path) -> None:
        """Take it.

        Args:
            directory: the service's own among the outputs; it is made where it isn't there.

        Raises:
            SettingsError: another service has it.
            OSError: the directory can't be made.
        """
        self._directory = directory
        self._lost = False
        try:
            self._take()
        except Timeout:
            outputs = directory.parent.parent
            raise SettingsError(
                f"another service works on the outputs in {outputs}: stop it, or set EMOVOX_OUTPUTS"
            ) from None

    async def round(self) -> None:
        """Check once."""
        await asyncio.to_thread(self.check)

    def check(self) -> None:
        """See whether the lock's file is still the one that was locked, and make it again where it isn't."""
        with suppress(OSError):
            if self._file.stat().st_ino == self._inode:
                return
        with suppress(OSError):
            self._lock.release()
        try:
            self._take()
        except Timeout:
            if not self._lost:
                log.error("%s was deleted, and another service works on the outputs now: stop one", self._file)
            self._lost = True
        except OSError as error:
            log.error("%s was deleted under the running service and can't be made again: %s", self._file, error)
        else:
            log.error("%s was deleted under the running service, and is made again", self._file)
            self._lost = False

    def release(self) -> None:
        """Let another service have it."""
        self._lock.release()

    def _take(self) -> None:
        private.make_directory(self._directory)
        private.close(self._directory.parent)  # with the drafts, and all else that is hidden among the outputs
        self._file = self._directory / "lock"
        lock = FileLock(self._file, mode=private.lock_mode(self._file), thread_local=False)
        lock.acquire(blocking=False)
        self._lock, self._inode = lock, self._file.stat().st_ino
