"""Archiving: what the service stores is in the archive, too, with its embedding, and goes with its outputs."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from emovox.errors import EmovoxError
from emovox.library.archive import Archive
from emovox.library.importing import import_directories
from emovox.library.keeping import Kept
from emovox.outputs import RESULT, Draft
from emovox.server.problems import log


class Archiving:
    """The archive, as the service needs it. Its methods wait for the database, so they are for threads.

    Attributes:
        archive: the archive itself.
    """

    def __init__(self) -> None:
        """Open it.

        Raises:
            SettingsError: it can't be opened.
        """
        self.archive = Archive()

    def begin(self, draft: Draft | None, *, asked: bool) -> Kept:
        """A recognition that is about to be made; without a draft it is never archived."""
        sink = None if draft is None else draft.write_embedding
        return Kept(None if draft is None else self.archive, asked=asked, sink=sink)

    def keep(self, kept: Kept, place: Path) -> None:
        """Archive what was published. Where that fails the outputs stay: the next start makes up for it."""
        try:
            kept.keep(place)
        except (SQLAlchemyError, EmovoxError) as error:
            log.error("%s is not in the archive: %s", place.name, " ".join(str(error).split())[:300])

    def forget(self, places: Iterable[Path]) -> None:
        """Delete what the archive has of outputs directories."""
        self.archive.forget_outputs(places)

    def catch_up(self, places: Iterable[Path]) -> None:
        """Archive the outputs directories that aren't: a kill came between, or an older version stored them."""
        try:
            known = self.archive.known_outputs()
            new = [place for place in places if place.absolute() not in known and (place / RESULT).is_file()]
            if new:
                added = import_directories(
                    self.archive, new, failed=lambda path, reason: log.warning("%s: %s", path.name, reason)
                )
                self.forget(place for place in new if not place.exists())  # deleted in the meantime
                log.info("%d outputs archived that were not", added)
        except (SQLAlchemyError, EmovoxError) as error:
            log.error("the archive can't be brought up to date: %s", " ".join(str(error).split())[:300])
