"""Archiving: stored outputs are in the archive, too, with their embeddings, until they are deleted.

They are listed by it, so it takes in what others put beside them, too: copies, and what the command writes.
"""

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from emovox.archive.archive import Archive
from emovox.archive.importing import import_directories
from emovox.archive.record import ArchiveRecord
from emovox.archive.watching import Watch
from emovox.errors import ArchiveError, EmovoxError
from emovox.outputs import RESULT
from emovox.saving import Save
from emovox.server.backlog import Backlog
from emovox.server.http.problems import from_error, log
from emovox.server.query_threads import LOCKED
from emovox.server.stored_outputs import ID


class Archiving:
    """The service's access to the archive. Its methods wait for the database, so they are for threads.

    Attributes:
        archive: the archive itself.
        complete: set while the archive has all stored outputs, but for those of the last seconds.
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
        self.complete = threading.Event()
        self._outputs = outputs
        self._backlog = Backlog(directory, outputs)
        self._watch = Watch(outputs, known=self._known)
        self._behind = threading.Event()  # the backlog waits to be archived,
        self._unwatched = threading.Event()  # all stored outputs wait to be looked at,
        self._unread = threading.Event()  # and those that the archive knows to be compared with it
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
        """Let the next `catch_up` and `refresh` go through all stored outputs."""
        for event in (self._behind, self._unwatched, self._unread):
            event.set()
        self.complete.clear()

    def forget(self, directories: Iterable[Path]) -> None:
        """Delete outputs directories from the archive and the backlog."""
        directories = list(directories)
        self.archive.forget_outputs(directories)
        for directory in directories:
            self._backlog.remove(directory.name)

    def catch_up(self) -> None:
        """Archive stored outputs that are not: the database was away, the service was killed, or others made them.

        Outputs in the backlog are archived with their embeddings; others, such as those of older versions, with
        what is in their directories.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be read or written.
        """
        with _until_done(self._behind) as due:
            if due:
                self._archive_backlog()
        with _until_done(self._unwatched) as due:
            if due:  # for what it has seen already
                self._watch = Watch(self._outputs, known=self._known)
            self._archive_new()
        if not self._unwatched.is_set():
            self.complete.set()

    def refresh(self) -> None:
        """After `scan`, take out of the list what is gone, and read what has changed or the archive knows in part.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be read or written.
        """
        with _until_done(self._unread) as due:
            if not due:
                return
            gone, changed = [], []
            for name, (_, modified) in self.archive.directories.times(self._outputs).items():
                try:
                    if (self._outputs / name / RESULT).stat().st_mtime_ns != modified:
                        changed.append(self._outputs / name)
                except OSError:
                    gone.append(name)
            self.archive.directories.drop(self._outputs, gone)
            import_directories(self.archive, changed, failed=_log_damage)

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

    def _archive_new(self) -> None:
        paths: list[Path] = []

        def records() -> Iterator[ArchiveRecord]:
            for item in self._watch.look():
                if isinstance(item, ArchiveRecord):
                    assert item.outputs is not None  # noqa: S101  it was read from there
                    paths.append(item.outputs)
                    yield item
                else:
                    log.warning("%s", item)

        if count := self.archive.add_records(records()):
            log.info("archived %d outputs that were missing", count)
        if gone := [path for path in paths if not path.exists()]:  # deleted in the meantime
            self.forget(gone)

    def _known(self, names: Collection[str]) -> set[str]:
        """Those of some directories that are in the archive, or are no stored outputs."""
        ours = {name for name in names if ID.fullmatch(name)}
        known = set(names) - ours | self.archive.directories.known(self._outputs, ours)
        return known | {name for name in ours - known if (self._outputs / name).is_symlink()}


@contextmanager
def _until_done(event: threading.Event) -> Iterator[bool]:
    """Whether something is due, which it stays if it fails."""
    due = event.is_set()
    event.clear()
    try:
        yield due
    except BaseException:
        event.set()
        raise


def _log_damage(path: Path, reason: str) -> None:
    log.warning("%s: %s", path.name, reason)
