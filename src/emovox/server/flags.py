"""Flags of a list: the moments of each recording in it, and which of them are left out for want of any."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from emovox.archive.archive import Archive
from emovox.archive.filter import Filter
from emovox.archive.record import ArchiveRecord
from emovox.archive.relative import AsRecognized
from emovox.archive.view import View
from emovox.errors import FilterError, PolicyError
from emovox.server.output_summary import MomentView

Row = tuple[Path, ArchiveRecord, int]
"""An outputs directory, its record, and when its result.json was written."""


class FlagsOf:
    """The flags that a page of a list shows.

    Attributes:
        together: recordings that are looked into at once.
        most: how often, for a page.
    """

    def __init__(self, archive: Archive, chosen: str | None, *, raw: bool) -> None:
        """Begin.

        Args:
            archive: that has the flags.
            chosen: the one that recordings must have moments of: a name, or a rule.
            raw: whether scores are without the baselines that recordings were recognised with.

        Raises:
            FilterError: there is no such flag, and it is no rule.
        """
        self._archive = archive
        self._view = View(archive, relative=None if raw else AsRecognized())
        self._rules = {flag.name: flag.rule for flag in archive.flags.all()}
        self._rule = None if chosen is None else archive.flags.rule(chosen)
        if chosen is not None and self._rule is not None:
            self._rules[chosen] = self._rule
        self._chosen = chosen
        self.together, self.most = (0, 0) if chosen is None else (200, 10)

    def narrowed(self, where: Filter) -> Filter:
        """The filter, with what can't have moments of the chosen one left out."""
        return where if self._rule is None else replace(where.allowed(), rule=self._rule)

    def listed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those of some rows that have moments of the chosen one; all, if none is chosen."""
        if self._rule is None:
            return rows
        moments = self._view.moments_of([record for _, record, _ in rows], self._rule)
        return [row for row in rows if row[1].id in moments]

    def shows(self, moments: Mapping[str, object]) -> bool:
        """Whether what has these moments, by flag, is in the list."""
        return self._chosen is None or self._chosen in moments

    def moments(self, records: Sequence[ArchiveRecord]) -> dict[str, dict[str, list[MomentView]]]:
        """By record and flag; nothing of a flag that can't be looked for here any more.

        Raises:
            FilterError: the chosen one can't.
        """
        by_id: dict[str, dict[str, list[MomentView]]] = {}
        if not self._rules or not records:
            return by_id
        for name, rule in self._rules.items():
            try:
                moments_by_id = self._view.moments_of(records, rule)
            except (FilterError, PolicyError):  # of a model whose recordings are gone, or a side
                if name == self._chosen:
                    raise
                continue
            for id_, moments in moments_by_id.items():
                by_id.setdefault(id_, {})[name] = [MomentView(**moment.to_dict()) for moment in moments]
        return by_id
