"""Calls in a list: the results of a recording's channels, which are one row for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.server.flags import FlagsOf
from emovox.server.output_summary import MomentView

Row = tuple[Path, ArchiveRecord, int]
"""An outputs directory, its record, and when its result.json was written."""


class Calls:
    """The calls that some rows of a list are of.

    Attributes:
        moments: of the rows and of the other sides of their calls, by record and flag.
    """

    def __init__(self, archive: Archive, root: Path, rows: Sequence[Row], where: Filter, flags: FlagsOf) -> None:
        """Find them.

        Args:
            archive: that has them.
            root: of the outputs directories.
            rows: of the list.
            where: by which they are listed.
            flags: likewise.
        """
        channels = {record.sha256 for _, record, _ in rows if record.channel is not None}
        self._calls = archive.directories.calls(root, channels) if channels else {}
        names = {name for path, _, _ in rows for name in self._calls.get(path.name, ())}
        members: Sequence[Row] = ()
        listed: Iterable[Row] = ()
        if names:
            count = len(names)
            members = archive.directories.page(root, Filter(), before=None, limit=count, only=names)
            listed = archive.directories.page(root, where, before=None, limit=count, only=names)
        self._members = {row[0].name: row for row in members}
        records = {record.id: record for _, record, _ in [*rows, *members]}
        self.moments = flags.moments(list(records.values()))
        # As they stand in the list: the first of a call leads it.
        self._leaders: dict[tuple[str, ...], str] = {}
        for path, record, _ in listed:
            if flags.shows(self.moments.get(record.id, {})):
                self._leaders.setdefault(self._calls[path.name], path.name)

    def of(self, name: str) -> list[str] | None:
        """The directories of its call, in the order of channels; None: it is of none."""
        return list(self._calls[name]) if name in self._calls else None

    def leads(self, name: str) -> bool:
        """Whether it is the first of its call in the list, or of none."""
        return name not in self._calls or self._leaders.get(self._calls[name]) == name

    def others(self, name: str) -> list[tuple[str, ArchiveRecord, int]]:
        """The rest of its call, as far as it is known."""
        rows = [
            self._members[each] for each in self._calls.get(name, ()) if each != name and each in self._members
        ]
        return [(path.name, record, modified) for path, record, modified in rows]

    def moments_of(self, name: str) -> dict[str, list[MomentView]] | None:
        """The moments in one of the others, by flag; None: there are none."""
        return self.moments.get(self._members[name][1].id)
