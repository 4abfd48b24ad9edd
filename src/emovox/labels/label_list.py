"""Lists of labelled recordings: CSV, TSV or JSON lines."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emovox.audio import lists
from emovox.audio.lists import column
from emovox.errors import LabelsError

PATHS = tuple(name for name in lists.COLUMNS if name not in {"url", "uri"})  # what is elsewhere isn't fetched
LABELS = ("label", "emotion", "class", "emo")
GROUPS = ("speaker", "group", "session", "subject", "actor")
"""Columns that are taken for what their names say, in this order, where none is named."""

_SHOWN = 5


@dataclass(frozen=True)
class Labelled:
    """A recording and what somebody says of it.

    Attributes:
        path: where it is.
        label: its class.
        name: the path as the list has it.
        groups: what else the list says: speaker, language, …
        original: its label as the list has it, where `label` is the class that this means.
    """

    path: Path
    label: str
    name: str
    groups: Mapping[str, str] = field(default_factory=dict)
    original: str | None = None


def read_labels(path: Path, *, paths: str | None = None, labels: str | None = None) -> list[Labelled]:
    """Read a list with a column of paths, relative to it, and one of labels; further columns are groups.

    Args:
        path: .csv, .tsv or .jsonl, as `emovox.audio.lists` reads it.
        paths: the column of paths; by default the first of `PATHS` that there is.
        labels: the column of labels; by default the first of `LABELS` that there is.

    Raises:
        LabelsError: unreadable, or a column is missing or empty, or one recording has two labels.
    """
    try:
        with path.open("rb") as file:
            rows = list(lists.rows(file, str(path)))
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error
    if not rows:
        raise LabelsError(f"{path}: the list is empty")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    where, what = column(columns, paths, PATHS, str(path)), column(columns, labels, LABELS, str(path))
    found: dict[str, Labelled] = {}
    for number, row in enumerate(rows, 1):
        name, label = row.get(where, ""), row.get(what, "")
        if not name or not label:
            missing = where if not name else what
            raise LabelsError(f"{path}: row {number} has no {missing}")
        groups = {key: value for key, value in row.items() if key not in (where, what)}
        item = Labelled(lists.locate(path.parent, name), label, name, groups)
        if name in found and found[name].label != label:
            raise LabelsError(f"{path}: {name} is labelled {found[name].label!r} and {label!r}")
        found[name] = item
    return list(found.values())


def find_group(rows: Sequence[Labelled], wanted: str | None, path: Path) -> str | None:
    """The column of groups: the wanted one, or the first usual one that has two values at least.

    Raises:
        LabelsError: the wanted one isn't there, or has one value only.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row.groups))
    if wanted is None:
        named = {key.casefold(): key for key in columns}
        usual = [named[key] for key in GROUPS if key in named]
        return next((key for key in usual if len({row.groups.get(key, "") for row in rows}) > 1), None)
    found = column(columns, wanted, (), str(path))
    values = {row.groups.get(found, "") for row in rows}
    if len(values) < 2:
        raise LabelsError(
            f"{path}: all {len(rows)} recordings have the same {found}, {values.pop()!r}: what is heard in others "
            "can't be measured. Add others, or leave out --group and measure on the same one"
        )
    return found


def missing(rows: Iterable[Labelled], path: Path) -> None:
    """Refuse a list whose recordings aren't there, before hours are spent on the others.

    Raises:
        LabelsError: some are missing; the message names the first ones.
    """
    gone = [row.name for row in rows if not os.path.isfile(row.path)]  # noqa: PTH113  whose path may be too long
    if gone:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise LabelsError(
            f"{path}: {len(gone)} recording{'s' * (len(gone) > 1)} not there: {', '.join(gone[:_SHOWN])}{more}. "
            "Paths are relative to the list"
        )
