"""Archiving: what the service stores is in the archive, too, with its embedding, and goes with its outputs."""

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
from emovox.server.http.problems import from_error, log
from emovox.server.pending import Pending
from emovox.server.query_threads import LOCKED


class Archiving:
    """The archive, as the service needs it. Its methods wait for the database, so they are for threads.

    Attributes:
        archive: the archive itself.
    """

    def __init__(self, directory: Path, outputs: Path) -> None:
        """Open it.

        Args:
            directory: for what waits to be archived.
            outputs: where the outputs directories are.

        Raises:
            SettingsError: it can't be opened.
        """
        self.archive = Archive(patience=LOCKED)
        self._pending = Pending(directory, outputs)
        self._behind = threading.Event()  # something waits to be archived
        self._unknown = False  # and it isn't known what: all that is stored is looked through
        self.look_through()

    def pend(self, save: Save) -> ArchiveRecord | None:
        """Note on disk that something was published and is to be archived; gives what is, if anything."""
        try:
            record = save.record()
            if record is not None:
                self._pending.add(record)
        except ArchiveError as error:
            log.error("%s is not in the archive: %s", save.directory, error)
            return None
        except OSError as error:
            log.error("the embedding of %s can't be kept: %s", save.directory, error.strerror or error)
            self._unknown = True
        return record

    def add(self, record: ArchiveRecord) -> None:
        """Archive what `pend` gave. Where that fails it stays pending, and `catch_up` makes up for it."""
        assert record.outputs is not None  # noqa: S101  it was published
        try:
            self.archive.add_records([record])
            self._pending.remove(record.outputs.name)
        except (SQLAlchemyError, EmovoxError, OSError) as error:
            log.error("%s is not in the archive yet: %s", record.outputs.name, from_error(error).detail)
            self.fall_behind()

    def fall_behind(self) -> None:
        """Let the next `catch_up` archive what is pending."""
        self._behind.set()

    def look_through(self) -> None:
        """Let the next `catch_up` look through all that is stored."""
        self._unknown = True
        self._behind.set()

    def forget(self, places: Iterable[Path]) -> None:
        """Delete what the archive has of outputs directories."""
        places = list(places)
        self.archive.forget_outputs(places)
        for place in places:
            self._pending.remove(place.name)

    def catch_up(self, directories: Callable[[], Iterable[Path]]) -> None:
        """Archive what is stored and isn't archived, if there may be any: the database was away, or a kill came.

        What is pending comes with its embedding; of anything else, as an older version stored it, only what is in
        its directory.

        Args:
            directories: gives all outputs directories.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database can't be written, or read.
        """
        if not self._behind.is_set():
            return
        self._behind.clear()
        try:
            self._archive_pending()
            if self._unknown:
                self._unknown = False
                try:
                    self._archive_others(directories())
                except BaseException:
                    self._unknown = True
                    raise
        except BaseException:
            self._behind.set()
            raise

    def _archive_pending(self) -> None:
        count = 0
        for name in self._pending.names():
            try:
                record = self._pending.record(name)
                if record is not None:
                    count += self.archive.add_records([record])
                    if record.outputs is not None and not record.outputs.exists():  # deleted in the meantime
                        self.archive.forget_outputs([record.outputs])
            except ArchiveError as error:
                log.warning("%s is not in the archive: %s", name, error)
            self._pending.remove(name)
        if count:
            log.info("%d outputs archived that were not, with their embeddings", count)

    def _archive_others(self, places: Iterable[Path]) -> None:
        known = self.archive.known_outputs()
        new = [place for place in places if place.absolute() not in known and (place / RESULT).is_file()]
        if new:
            added = import_directories(
                self.archive, new, failed=lambda path, reason: log.warning("%s: %s", path.name, reason)
            )
            self.forget(place for place in new if not place.exists())  # deleted in the meantime
            log.info("%d outputs archived that were not", added)
