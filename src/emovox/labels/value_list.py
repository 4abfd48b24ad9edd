"""Lists of rated recordings, whose labels are numbers: arousal, valence, dominance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emovox.audio import lists
from emovox.audio.lists import column
from emovox.errors import LabelsError
from emovox.labels.label_list import PATHS, RECORDING, Span, read_rows, stretch_name


@dataclass(frozen=True)
class Rated:
    """A recording, or a stretch of one, and its ratings.

    Attributes:
        path: where it is.
        values: its ratings by name, on the scale of the list; those that the list leaves empty aren't there.
        name: the path as the list has it.
        groups: the other columns: speaker, language, …
        span: the stretch that it is about; None: all of it.
    """

    path: Path
    values: Mapping[str, float]
    name: str
    groups: Mapping[str, str] = field(default_factory=dict)
    span: Span | None = None


def read_values(
    path: Path, names: Sequence[str], *, paths: str | None = None, columns: Mapping[str, str] | None = None
) -> list[Rated]:
    """Read a list with a column of paths, relative to it, and columns of numbers; all others are groups.

    Args:
        path: as of `read_labels`.
        names: of the values; those that the list has no column of are left out.
        paths: the column of paths; by default the first of `PATHS` that the list has.
        columns: by value, the column that has another name.

    Raises:
        LabelsError: unreadable, no column of values, a cell that is no number, or one recording with two ratings.
    """
    rows, present, spans, gaps = read_rows(path)
    if strange := [name for name in columns or {} if name not in names]:
        raise LabelsError(f"no value {strange[0]!r}: the model gives {', '.join(names)}")
    path_column = column(present, paths, PATHS, str(path))
    sources = {name: column(present, asked, (), str(path)) for name, asked in (columns or {}).items()}
    by_word = {key.casefold(): key for key in reversed(present)}
    sources |= {
        name: by_word[name.casefold()] for name in names if name not in sources and name.casefold() in by_word
    }
    if not sources:
        raise LabelsError(
            f"{path}: no column {' or '.join(names)}; it has {', '.join(present)}. Say which column has which "
            f"value with --label-column {names[0]}=COLUMN"
        )
    taken = {path_column, *sources.values()}
    by_name: dict[str, Rated] = {}
    for number, (row, span) in enumerate(zip(rows, spans, strict=True), 1):
        address = row.get(path_column, "")
        if not address:
            raise LabelsError(f"{path}: row {number} has no {path_column}")
        values = {
            key: _number(row[source], f"{path}: row {number}, {source}")
            for key, source in sources.items()
            if row.get(source)
        }
        if gaps and not values:
            continue
        name = stretch_name(address, span)
        if name in by_name and by_name[name].values != values:
            raise LabelsError(f"{path}: {name} is rated twice, and differently")
        groups = {key: value for key, value in row.items() if key not in taken}
        if span is not None:
            groups.setdefault(RECORDING, address)
        by_name[name] = Rated(lists.locate(path.parent, address), values, name, groups, span)
    if not any(row.values for row in by_name.values()):
        raise LabelsError(f"{path}: {', '.join(sources.values())}: every cell is empty")
    return list(by_name.values())


def _number(cell: str, where: str) -> float:
    try:
        number = float(cell.replace(",", "."))  # as spreadsheets of half of Europe write it
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LabelsError(f"{where}: {cell!r} is not a number")
    return number
