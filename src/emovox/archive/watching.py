"""Watching: new outputs directories, as they are completed.

It looks every second: whether there is something new is seen by the modification time of the root, so that a look
costs one system call while nothing changes, and works on network disks, which announce no changes.
"""

import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from emovox import directories
from emovox.archive.outputs_directory import read_directory
from emovox.archive.record import ArchiveRecord
from emovox.errors import ArchiveError
from emovox.outputs import RESULT

EVERY = 1.0  # seconds
PATIENCE = 60.0  # seconds that another program may take to complete a directory


class Watch:
    """Finds the outputs directories that are completed under a root."""

    def __init__(
        self,
        root: Path,
        *,
        model: str | None = None,
        known: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    ) -> None:
        """Begin.

        Args:
            root: where outputs directories are made.
            model: NAME or NAME@REVISION, for those that don't name their model.
            known: gives those of some directories that are known already, by their names.
        """
        self._root, self._model, self._known = root, model, known
        self._changed: int | None = None
        self._seen: set[str] = set()
        self._trouble = ""  # why the last look failed
        self._incomplete: dict[Path, float] = {}  # with the time until which they are waited for

    def look(self) -> Iterator[ArchiveRecord | ArchiveError]:
        """The directories that were completed since the last look, and errors about those that never will be."""
        now = time.monotonic()
        try:
            new, trouble = self._new(), ""
        except OSError as error:
            new, trouble = [], error.strerror or str(error)
        if trouble and trouble != self._trouble:  # said once, not every second
            yield ArchiveError(f"{self._root}: {trouble}")
        self._trouble = trouble
        if new:
            known = set(self._known(new))
            self._incomplete |= {self._root / name: now + PATIENCE for name in new if name not in known}
        for path, until in list(self._incomplete.items()):
            try:
                record = read_directory(path, model=self._model)
            except ArchiveError as error:
                if not os.path.lexists(path):
                    del self._incomplete[path]
                elif now >= until:
                    del self._incomplete[path]
                    # Without a result it isn't an outputs directory, unless it can't be read.
                    if os.path.lexists(path / RESULT) or not os.access(path, os.R_OK | os.X_OK):
                        yield error
            else:
                del self._incomplete[path]
                yield record

    def run(self, *, every: float = EVERY) -> Iterator[ArchiveRecord | ArchiveError]:
        """Look again and again, for ever."""
        while True:
            yield from self.look()
            time.sleep(every)

    def _new(self) -> list[str]:
        try:
            changed = self._root.stat().st_mtime_ns
        except FileNotFoundError:  # not made yet
            return []
        if changed == self._changed:
            return []
        names = {
            name for name, directory in directories.scan(self._root) if directory and not name.startswith(".")
        }
        new = sorted(names - self._seen)
        self._seen = names
        # A later change within the clock's resolution would have the same time, so a recent one is looked at
        # again.
        self._changed = changed if time.time_ns() - changed > 2 * 10**9 else None
        return new
