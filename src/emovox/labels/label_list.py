"""Lists of labelled recordings: tables, JSON lines, and what annotation programs write."""

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from emovox.audio import lists
from emovox.audio.files import EXTENSIONS
from emovox.audio.lists import column
from emovox.errors import LabelsError
from emovox.labels.annotations import beside
from emovox.labels.reader import END, START
from emovox.labels.readers import READERS, reader_of

PATHS = tuple(name for name in lists.COLUMNS if name not in {"url", "uri"})  # what is elsewhere isn't fetched
LABELS = ("label", "emotion", "class", "emo")
RECORDING = "recording"
GROUPS = ("speaker", "group", "session", "subject", "actor", RECORDING)
"""Usual names of columns of groups, in the order in which they are looked for; stretches have the last by
themselves."""

Failure = tuple[str, str]
"""A recording that could not be used, by its name in the list, and why."""

Span = tuple[float, float]
"""Start and end of a stretch of a recording, in seconds."""

WhichRecording = Callable[[Path, Sequence[str]], str]
"""Which recording a file is about that has no paths in it, by the file and what it says that this is called."""

_PATH = "path"  # the column of recordings, where a file has none
_SHOWN = 5


class ListRows(NamedTuple):
    """The rows of a list.

    Attributes:
        rows: text by column, without the times of a stretch.
        columns: all that there are.
        spans: of each row the stretch of the recording that it is about; None: all of it.
        gaps: rows without a label are left out, as annotations say something of some stretches only.
    """

    rows: list[dict[str, str]]
    columns: list[str]
    spans: list[Span | None]
    gaps: bool


class Listed(Protocol):
    """A row of a list: a recording with a label, or with ratings."""

    @property
    def path(self) -> Path:
        """Where the recording is."""

    @property
    def name(self) -> str:
        """The path as the list has it."""

    @property
    def groups(self) -> Mapping[str, str]:
        """The columns that are neither."""

    @property
    def span(self) -> Span | None:
        """The stretch of the recording that it is about; None: all of it."""


@dataclass(frozen=True)
class Labelled:
    """A recording, or a stretch of one, and its label.

    Attributes:
        path: where it is.
        label: its class.
        name: the path as the list has it; of a stretch with its times, `call.wav#t=1.5,3.2`.
        groups: the other columns: speaker, language, …
        original: the label as the list has it, if `label` is the class that it means.
        span: the stretch that it is about; None: all of it.
    """

    path: Path
    label: str
    name: str
    groups: Mapping[str, str] = field(default_factory=dict)
    original: str | None = None
    span: Span | None = None


def read_labels(
    path: Path, *, paths: str | None = None, labels: str | None = None, recording: WhichRecording = beside
) -> list[Labelled]:
    """Read a list with a column of paths, relative to it, and one of labels; all other columns are groups.

    Args:
        path: .csv, .tsv or .jsonl, as `emovox.audio.lists` reads it; .TextGrid, .eaf or an Audacity label track,
            whose intervals are the rows and whose tiers are the columns; the db.yaml of a database in audformat;
            or what a plug-in reads.
        paths: the column of paths; by default the first of `PATHS` that the list has.
        labels: the column of labels; by default the first of `LABELS` that the list has.
        recording: finds what a file of an annotation program is about; by default what lies beside it.

    Raises:
        LabelsError: unreadable, a column is missing or a cell of it empty, or one recording has two labels.
    """
    rows, columns, spans, gaps = read_rows(path, recording)
    path_column, label_column = (
        column(columns, paths, PATHS, str(path)),
        column(columns, labels, LABELS, str(path)),
    )
    by_name: dict[str, Labelled] = {}
    for number, (row, span) in enumerate(zip(rows, spans, strict=True), 1):
        address, label = row.get(path_column, ""), row.get(label_column, "")
        if gaps and not label:
            continue
        if not address or not label:
            raise LabelsError(f"{path}: row {number} has no {label_column if address else path_column}")
        groups = {key: value for key, value in row.items() if key not in (path_column, label_column)}
        if span is not None:
            groups.setdefault(RECORDING, address)  # its stretches are alike: all of them are held out, or none
        name = stretch_name(address, span)
        item = Labelled(lists.locate(path.parent, address), label, name, groups, span=span)
        if name in by_name and by_name[name].label != label:
            raise LabelsError(f"{path}: {name} is labelled {by_name[name].label!r} and {label!r}")
        by_name[name] = item
    return list(by_name.values())


def stretch_name(name: str, span: Span | None) -> str:
    """The name of a recording, with the times of a stretch of it as the W3C's Media Fragments URI has them."""
    return name if span is None else f"{name}#t={span[0]:g},{span[1]:g}"


def read_rows(path: Path, recording: WhichRecording = beside) -> ListRows:
    """The rows of a list, by the reader of its ending; `recording` as of `read_labels`.

    Raises:
        LabelsError: it is unreadable, or empty.
    """
    if path.suffix.lower() in EXTENSIONS:
        raise LabelsError(f"{path}: a recording, and no list: give a file that says what is in recordings")
    ending, reader = reader_of(path)
    with READERS.blamed(ending, f"reading {path}"):
        rows = [dict(row) for row in reader.read(path)]
        media = None if reader.recordings is None else list(reader.recordings(path))
    if not rows:
        raise LabelsError(f"{path}: the list is empty")
    if media is not None:
        place = {_PATH: recording(path, media)}
        rows = [place | row | place for row in rows]  # a tier may be called so, too
    spans = [_span(row, path, number) if reader.intervals else None for number, row in enumerate(rows, 1)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return ListRows(rows, columns, spans, reader.intervals)


def _span(row: dict[str, str], path: Path, number: int) -> Span | None:
    """The stretch of a row, whose times are taken out."""
    if START not in row and END not in row:
        return None
    try:
        start, end = float(row.pop(START)), float(row.pop(END))
    except (KeyError, ValueError):
        start = end = math.nan
    if not (0 <= start < end and math.isfinite(end)):
        raise LabelsError(f"{path}: row {number} has no {START} before its {END}, in seconds")
    return start, end


def find_group(rows: Sequence[Listed], name: str | None, path: Path) -> str | None:
    """The column of groups: the named one, or the first of `GROUPS` that has two or more values.

    Raises:
        LabelsError: the named one isn't there, or has only one value.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row.groups))
    if name is None:
        by_word = {key.casefold(): key for key in columns}
        usual = [by_word[key] for key in GROUPS if key in by_word]
        return next((key for key in usual if len({row.groups.get(key, "") for row in rows}) > 1), None)
    group = column(columns, name, (), str(path))
    values = {row.groups.get(group, "") for row in rows}
    if len(values) < 2:
        raise LabelsError(
            f"{path}: all {len(rows)} recordings have the {group} {values.pop()!r}, so none can be held out: add "
            "recordings with another, or leave out --group to measure on the same one"
        )
    return group


def check_exists(rows: Iterable[Listed], path: Path) -> None:
    """Refuse a list whose recordings don't exist, before hours are spent on the others.

    Raises:
        LabelsError: some don't; the message names the first ones.
    """
    missing = [row.name for row in rows if not os.path.isfile(row.path)]  # noqa: PTH113  the path may be too long
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise LabelsError(
            f"{path}: {len(missing)} recording{'s' * (len(missing) > 1)} not found: {', '.join(missing[:_SHOWN])}"
            f"{more}. Paths are relative to the list"
        )
