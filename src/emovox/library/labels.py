"""Lists of labelled recordings: CSV, TSV or JSON lines."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emovox.errors import LabelsError

PATHS = ("path", "file", "filename", "audio", "wav", "recording")
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
        path: .csv, .tsv or .jsonl, UTF-8.
        paths: the column of paths; by default the first of `PATHS` that there is.
        labels: the column of labels; by default the first of `LABELS` that there is.

    Raises:
        LabelsError: unreadable, or a column is missing or empty, or one recording has two labels.
    """
    rows = _rows(path)
    if not rows:
        raise LabelsError(f"{path}: the list is empty")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    where, what = column(columns, paths, PATHS, path), column(columns, labels, LABELS, path)
    found: dict[str, Labelled] = {}
    for number, row in enumerate(rows, 1):
        name, label = row.get(where, "").strip(), row.get(what, "").strip()
        if not name or not label:
            missing = where if not name else what
            raise LabelsError(f"{path}: row {number} has no {missing}")
        groups = {key: value.strip() for key, value in row.items() if key not in (where, what)}
        item = Labelled(_place(path.parent, name), label, name, groups)
        if name in found and found[name].label != label:
            raise LabelsError(f"{path}: {name} is labelled {found[name].label!r} and {label!r}")
        found[name] = item
    return list(found.values())


def column(columns: Sequence[str], wanted: str | None, usual: Iterable[str], path: Path) -> str:
    """The column that is wanted, or the first of the usual ones.

    Raises:
        LabelsError: there is none; the message names those that there are.
    """
    by_name = {name.strip().casefold(): name for name in columns}
    for name in (wanted,) if wanted is not None else usual:
        if name.strip().casefold() in by_name:
            return by_name[name.strip().casefold()]
    asked = repr(wanted) if wanted is not None else f"of {', '.join(usual)}"
    raise LabelsError(f"{path}: no column {asked}; there are {', '.join(columns) or 'none'}")


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
    found = column(columns, wanted, (), path)
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
    gone = [row.name for row in rows if not row.path.is_file()]
    if gone:
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise LabelsError(
            f"{path}: {len(gone)} recording{'s' * (len(gone) > 1)} not there: {', '.join(gone[:_SHOWN])}{more}. "
            "Paths are relative to the list"
        )


def _place(directory: Path, name: str) -> Path:
    """Where a path of a list is; one that Windows wrote is read elsewhere, too."""
    place = directory / name
    return directory / name.replace("\\", "/") if "\\" in name and not place.exists() else place


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: not UTF-8 text; save it as such") from error
    if path.suffix.lower() in {".jsonl", ".ndjson"}:
        return [_object(line, path, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    head = text.split("\n", 1)[0]
    delimiter = max("\t,;", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [{key: value or "" for key, value in row.items() if key} for row in reader]
    except csv.Error as error:
        raise LabelsError(f"{path}: no CSV after line {reader.line_num}: {error}") from error


def _object(line: str, path: Path, number: int) -> dict[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise LabelsError(f"{path}: line {number} is no JSON: {error}") from error
    if not isinstance(row, dict):
        raise LabelsError(f"{path}: line {number} is no JSON object")
    return {key: "" if value is None else str(value) for key, value in row.items()}
