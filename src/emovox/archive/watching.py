"""Watching: new outputs directories, as they are completed.

A look every second: what is new is seen by the time of the directory above, so a look at an unchanged place costs
one call to the system, and works on network disks, which tell nobody of changes.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from emovox import directories
from emovox.archive.record import ArchiveRecord, read_directory
from emovox.errors import ArchiveError
from emovox.outputs import RESULT

EVERY = 1.0  # seconds
PATIENCE = 60.0  # seconds for another program to write a directory to its end


class Watch:
    """Finds the outputs directories that are completed under a root."""

    def __init__(
        self, root: Path, *, model: str | None = None, known: Callable[[Path], bool] = lambda _: False
    ) -> None:
        """Begin.

        Args:
            root: where outputs directories come.
            model: NAME or NAME@REVISION of those that don't say which model it was.
            known: whether a directory was seen before.
        """
        self._root, self._model, self._known = root, model, known
        self._changed: int | None = None
        self._seen: set[str] = set()
        self._trouble = ""  # why there was no looking the last time
        self._waiting: dict[Path, float] = {}  # until when

    def look(self) -> Iterator[ArchiveRecord | ArchiveError]:
        """What was completed since the last look, and what never will be."""
        now = time.monotonic()
        try:
            new, trouble = self._new(), ""
        except OSError as error:
            new, trouble = [], error.strerror or str(error)
        if trouble and trouble != self._trouble:  # once, not every second
            yield ArchiveError(f"{self._root}: {trouble}")
        self._trouble = trouble
        for name in new:
            path = self._root / name
            if not self._known(path):
                self._waiting[path] = now + PATIENCE
        for path, until in list(self._waiting.items()):
            try:
                record = read_directory(path, model=self._model)
            except ArchiveError as error:
                if not os.path.lexists(path):
                    del self._waiting[path]
                elif now >= until:
                    del self._waiting[path]
                    # Without it there is no outputs directory, but where nobody may look.
                    if os.path.lexists(path / RESULT) or not os.access(path, os.R_OK | os.X_OK):
                        yield error
            else:
                del self._waiting[path]
                yield record

    def run(self, *, every: float = EVERY) -> Iterator[ArchiveRecord | ArchiveError]:
        """Look for ever."""
        while True:
            yield from self.look()
            time.sleep(every)

    def _new(self) -> list[str]:
        try:
            changed = self._root.stat().st_mtime_ns
        except FileNotFoundError:  # not there yet
            return []
        if changed == self._changed:
            return []
        names = {
            name for name, directory in directories.scan(self._root) if directory and not name.startswith(".")
        }
        new = sorted(names - self._seen)
        self._seen = names
        # A change within the clock's step would have the same time: it is looked for once more.
        self._changed = changed if time.time_ns() - changed > 2 * 10**9 else None
        return new
