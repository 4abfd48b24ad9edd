"""A database in audformat: a folder with a header and one table, which the package audformat loads."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from emovox import private, refusals
from emovox.emotions import NAMES
from emovox.errors import OutputsError
from emovox.exports.columns import Cell, Layout
from emovox.exports.replacement import replacing
from emovox.exports.table import Rows
from emovox.inference.frames import SCORE_DIGITS
from emovox.outputs import AUDIO
from emovox.spreadsheets import writer
from emovox.version import __version__

SUFFIX = ".audformat"
"""Of the folder."""
_HEADER = "db.yaml"
_SCORES = ("confidence", *NAMES)
_OF_RECORDINGS: dict[str, type] = {"emotion": str, "confidence": float, **dict.fromkeys(NAMES, float)}


@dataclass(frozen=True)
class Row:
    """A row: a file, its part in seconds or None for all of it, and the cells of the other columns."""

    file: str
    span: tuple[float, float] | None
    cells: list[Cell]


def segment_columns(layout: Layout) -> dict[str, type]:
    """The columns of segments behind the index."""
    return {name: kind for name, kind in layout.segment_columns().items() if name not in {"start", "end"}}


def segment_rows(recordings: Iterable[Rows], layout: Layout) -> Iterator[Row]:
    """The rows of segments, indexed by file, start and end."""
    for rows in recordings:
        file = media(rows.path, None if rows.outputs is None else Path(rows.outputs))
        for item in rows.segments:
            yield Row(file, (item.start, item.end), layout.segment_cells(item, rows.baseline)[2:])


def recording_columns(layout: Layout) -> dict[str, type]:
    """The columns of recordings behind the index."""
    return {**_OF_RECORDINGS, "model": str, **layout.readout_columns()}


def recording_row(
    path: str | None,
    outputs: Path | None,
    scores: Mapping[str, float] | None,
    verdict: tuple[str | None, float | None],
    model: str,
    own: Iterable[Cell],
) -> Row:
    """The row of a recording, indexed by its file; `own` are the cells of readouts."""
    return Row(media(path, outputs), None, [*verdict, *map((scores or {}).get, NAMES), model, *own])


def media(path: str | None, outputs: Path | None) -> str:
    """The file of a row: the recording if it is still there, or what was kept of it, or else its name."""
    if path is not None and Path(path).is_absolute() and Path(path).is_file():
        return path
    if outputs is not None and (outputs / AUDIO).is_file():
        return str((outputs / AUDIO).absolute())
    return path or "unknown"


def write(directory: Path, table: str, columns: Mapping[str, type], rows: Iterable[Row]) -> int:
    """Write the database; what is there of an older one is replaced, file by file.

    Args:
        directory: the folder.
        table: the name of the table: `recordings` is indexed by file, `segments` by file, start and end.
        columns: behind the index, with the types of their cells.
        rows: in any order; of those with one index, as channels of a file have, the first is written.

    Returns:
        How many rows were left out for that.

    Raises:
        OutputsError: the disk is full, or the directory can't be written to.
    """
    try:
        private.make_directory(directory)
    except OSError as error:
        raise OutputsError(f"{directory}: {refusals.reason(error, '')}") from error
    segmented, seen, left_out = table == "segments", set[tuple[Any, ...]](), 0
    with replacing(directory / f"db.{table}.csv") as binary:
        text = TextIOWrapper(binary, encoding="utf-8", newline="")
        line: Callable[[Iterable[object]], object] = writer(text)
        line(["file", *(["start", "end"] if segmented else []), *columns])
        for row in rows:
            index = [row.file, *(map(_time, row.span) if row.span is not None else [])]
            if tuple(index) in seen:
                left_out += 1
                continue
            seen.add(tuple(index))
            line([*index, *map(_cell, row.cells)])
        text.detach()  # flushes, and leaves it to `replacing` to close the file
    with replacing(directory / _HEADER) as binary:
        binary.write("".join(_header(directory.name.removesuffix(SUFFIX), table, columns)).encode("utf-8"))
    return left_out


def _header(name: str, table: str, columns: Mapping[str, type]) -> Iterator[str]:
    """The header in YAML, in which every string of JSON is one."""
    yield f"name: {json.dumps(name)}\n"
    yield f'source: "Emovox {__version__}"\nusage: other\nlanguages: []\n'
    yield 'description: "What models made of recordings: no labels by people"\n'
    yield "schemes:\n"
    for column, kind in columns.items():
        yield f"  {json.dumps(column)}:\n    dtype: {kind.__name__}\n"
        if column == "emotion":
            yield f"    labels: [{', '.join(NAMES)}]\n"
        if column in _SCORES:
            yield "    minimum: 0.0\n    maximum: 1.0\n"
    yield f"tables:\n  {table}:\n    type: {'segmented' if table == 'segments' else 'filewise'}\n    columns:\n"
    for column in columns:
        yield f"      {json.dumps(column)}:\n        scheme_id: {json.dumps(column)}\n"


def _time(seconds: float) -> str:
    """As pandas writes a Timedelta."""
    microseconds = round(seconds * 1_000_000)
    minutes, rest = divmod(microseconds, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} days {hours:02}:{minutes:02}:{rest // 1_000_000:02}.{rest % 1_000_000:06}"


def _cell(cell: Cell) -> object:
    return f"{cell:.{SCORE_DIGITS}f}" if isinstance(cell, float) else cell
