"""Databases in audformat: a header, `db.yaml`, and tables beside it, indexed by file, or by file, start and end.

They are read without the package audformat, whose tables are plain CSV or Parquet.

Source: audformat's documentation, "Database" and "Table", https://audeering.github.io/audformat/.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from emovox.audio import lists
from emovox.errors import LabelsError
from emovox.labels.reader import END, START

_INDEX = {"filewise": ("file",), "segmented": ("file", START, END)}
_TIME = re.compile(r"(?:(\d+) days?)?,? ?(?:(\d+):(\d\d):(\d\d(?:\.\d+)?))?")


class _Key(NamedTuple):
    """What a row is about: a file, from `start` to `end` in seconds; all of it if neither is given."""

    file: str
    start: float | None = None
    end: float | None = None


_Table = dict[_Key, dict[str, str]]


def read_audformat(path: Path) -> Iterator[dict[str, str]]:
    """The rows of all tables of a database, those about the same file or stretch of it as one.

    What tables say of whole files, as who speaks, holds for stretches of them, too. A column that several tables
    have is one column, unless they say different things of the same: then a later one is called `TABLE.COLUMN`.

    Raises:
        LabelsError: it is no such header, a table isn't there, or pyarrow for its Parquet isn't.
    """
    of_files: _Table = {}
    of_stretches: _Table = {}
    for name, columns, kind in _tables(path):
        table = _read(path, name, columns, _INDEX[kind])
        _add(table, name, of_files if kind == "filewise" else of_stretches)
    stretches = {key.file for key in of_stretches}
    for key, cells in of_stretches.items():
        row = {"path": key.file, **of_files.get(_Key(key.file), {}), **cells}
        yield row if key.start is None else {**row, START: f"{key.start!r}", END: f"{key.end!r}"}
    for key, cells in of_files.items():
        if key.file not in stretches:
            yield {"path": key.file, **cells}


def _tables(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """Name, columns and type of each table of a header."""
    try:
        header = yaml.safe_load(path.read_text(encoding="utf-8"))
        tables = {str(name): table["type"] for name, table in header["tables"].items()}
        columns = {
            str(name): list(map(str, table.get("columns") or ())) for name, table in header["tables"].items()
        }
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise LabelsError(f"{path}: not valid YAML: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise LabelsError(f"{path}: not the header of a database in audformat: it has no tables") from error
    for name, kind in tables.items():
        if not isinstance(kind, str) or kind not in _INDEX or Path(name).name != name:
            raise LabelsError(f"{path}: the table {name!r:.60} is of the type {kind!r:.60}: filewise or segmented")
        yield name, columns[name], kind


def _read(path: Path, name: str, columns: list[str], index: tuple[str, ...]) -> _Table:
    stem = path.with_name(f"{path.stem}.{name}")
    table: _Table = {}
    if (file := stem.with_name(f"{stem.name}.parquet")).exists():
        rows = _parquet(file)
    elif (file := stem.with_name(f"{stem.name}.csv")).exists():
        rows = _csv(file)
    else:
        raise LabelsError(
            f"{path}: the table {name} isn't beside it as CSV or Parquet; a .pkl isn't read: "
            "audformat's Database.save(…, storage_format='csv') writes one"
        )
    for number, row in enumerate(rows, 1):
        try:
            cells = {column: row[column] for column in (*index, *columns)}
            if (key := _key([cells.pop(column) for column in index])) is None:
                raise LabelsError(
                    f"{file}: row {number} goes from {row[START]} to the end of its file: say where that is"
                )
        except (KeyError, ValueError) as error:
            raise LabelsError(f"{file}: row {number}: {error}") from error
        table[key] = {column: text for column, cell in cells.items() if (text := _text(cell))}
    return table


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            yield from lists.rows(file, str(path))
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        import pyarrow.parquet  # noqa: PLC0415  an extra
    except ImportError as error:
        raise LabelsError(f"{path}: Parquet is read with pyarrow: pip install pyarrow") from error
    try:
        table = pyarrow.parquet.read_table(path)
        for column in (START, END):
            if column in table.column_names and pyarrow.types.is_duration(table.schema.field(column).type):
                # in microseconds, as nanoseconds are more than Python's timedelta has
                rounded = table[column].cast(pyarrow.duration("us"), safe=False)
                table = table.set_column(table.column_names.index(column), column, rounded)
        yield from table.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise LabelsError(f"{path}: can't be read: {error}") from error


def _key(cells: list[Any]) -> _Key | None:
    """The key of a row's index; None for what begins later and has no end."""
    file, *times = cells
    if not file:
        raise ValueError("it has no file")
    start, end = map(_seconds, times) if times else (None, None)
    if end is None:
        return None if start else _Key(str(file))
    return _Key(str(file), start or 0.0, end)


def _seconds(cell: object) -> float | None:
    """A time of the index in seconds; None: it is empty."""
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    text = _text(cell)
    if text in {"", "NaT"}:
        return None
    if not (match := _TIME.fullmatch(text)):
        raise ValueError(f"{text!r:.60} is no time as pandas writes it: 0 days 00:00:01.5")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _text(cell: object) -> str:
    return "" if cell is None or (isinstance(cell, float) and math.isnan(cell)) else str(cell).strip()


def _add(table: _Table, name: str, every: _Table) -> None:
    """Put a table's cells to those of others."""
    clashes = {
        column
        for key, cells in table.items()
        for column, text in cells.items()
        if every.get(key, {}).get(column, text) != text
    }
    for key, cells in table.items():
        row = every.setdefault(key, {})
        for column, text in cells.items():
            row[f"{name}.{column}" if column in clashes else column] = text
