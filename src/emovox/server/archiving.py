"""Archiving: stored outputs are in the archive, too, with their embeddings, until they are deleted."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from emovox.archive.archive import Archive
from emovox.archive.importing import import_directories
from emovox.archive.record import ArchiveRecord
from emovox.errors import ArchiveError, EmovoxError
from emovox.outputs import RESULT
from emovox.saving import Save
from emovox.server.backlog import Backlog
from emovox.server.http.problems import from_error, log
from emovox.server.query_threads import LOCKED


class Archiving:
    """The service's access to the archive. Its methods wait for the database, so they are for threads.

    Attributes:
        archive: the archive itself.
    """

    def __init__(self, directory: Path, outputs: Path) -> None:
        """Open it.

        Args:
            directory: for the backlog.
            outputs: the parent of the outputs directories.

        Raises:
            SettingsError: it can't be opened.
        """
        self.archive = Archive(patience=LOCKED)
        self._backlog = Backlog(directory, outputs)
        self._behind = threading.Event()  # outputs wait to be archived
        self._incomplete = False  # and not all of them are in the backlog
        self.scan()

    def enqueue(self, save: Save) -> ArchiveRecord | None:
        """Add what was published to the backlog; returns the record to archive, if any."""
        try:
            record = save.record()
            if record is not None:
                self._backlog.add(record)
        except ArchiveError as error:
            log.error("%s is not in the archive: %s", save.directory, error)
            return None
        except OSError as error:
            log.error("the embedding of %s can't be stored: %s", save.directory, error.strerror or error)
            self._incomplete = True
        return record

    def add(self, record: ArchiveRecord) -> None:
        """Archive a record of `enqueue`. If that fails it stays in the backlog, for `catch_up`."""
        assert record.outputs is not None  # noqa: S101  it was published
        try:
            self.archive.add_records([record])
            self._backlog.remove(record.outputs.name)
        except (SQLAlchemyError, EmovoxError, OSError) as error:
            log.error("%s is not in the archive yet: %s", record.outputs.name, from_error(error).detail)
            self.retry()

    def retry(self) -> None:
        """Let the next `catch_up` archive the backlog."""
        self._behind.set()

    def scan(self) -> None:
        """Let the next `catch_up` go through all stored outputs."""
        self._incomplete = True
        self._behind.set()

    def forget(self, directories: Iterable[Path]) -> None:
        """Delete outputs directories from the archive and the backlog."""
        directories = list(directories)
        self.archive.forget_outputs(directories)
        for directory in directories:
            self._backlog.remove(directory.name)

    def catch_up(self, directories: Callable[[], Iterable[Path]]) -> None:
        """Archive stored outputs that were missed because the database was away or the service was killed.

        Outputs in the backlog are archived with their embeddings; others, such as those of older versions, with
        what is in their directories.

        Args:
            directories: returns all outputs directories.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be read or written.
        """
        if not self._behind.is_set():
            return
        self._behind.clear()
        try:
            self._archive_backlog()
            if self._incomplete:
                self._incomplete = False
                try:
                    self._archive_others(directories())
                except BaseException:
                    self._incomplete = True
                    raise
        except BaseException:
            self._behind.set()
            raise

    def _archive_backlog(self) -> None:
        count = 0
        for name in self._backlog.names():
            try:
                record = self._backlog.record(name)
                if record is not None:
                    count += self.archive.add_records([record])
                    if record.outputs is not None and not record.outputs.exists():  # deleted in the meantime
                        self.archive.forget_outputs([record.outputs])
            except ArchiveError as error:
                log.warning("%s is not in the archive: %s", name, error)
            self._backlog.remove(name)
        if count:
            log.info("archived %d outputs that were missing, with their embeddings", count)

    def _archive_others(self, directories: Iterable[Path]) -> None:
        archived = self.archive.known_outputs()
        new = [path for path in directories if path.absolute() not in archived and (path / RESULT).is_file()]
        if new:
            count = import_directories(
                self.archive, new, failed=lambda path, reason: log.warning("%s: %s", path.name, reason)
            )
            self.forget(path for path in new if not path.exists())  # deleted in the meantime
            log.info("archived %d outputs that were missing", count)
