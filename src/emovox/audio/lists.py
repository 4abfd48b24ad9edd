"""Lists of recordings: CSV, TSV or JSON lines, as people, programs and spreadsheets write them."""

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from emovox.audio.files import local_path
from emovox.errors import LabelsError

COLUMNS = ("path", "file", "filename", "file_name", "url", "uri", "audio", "wav", "recording")
"""Columns that may name the recordings, in this order, if none is chosen."""
JSON_LINES = (".jsonl", ".ndjson")

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # "Unicode text" of spreadsheets
_QUOTED = re.compile('"[^"]*"')


def rows(file: "io.BufferedReader[Any]", name: str) -> Iterator[dict[str, str]]:
    """The rows of a list as they are read: values by column, both stripped of blanks.

    Text is UTF-8, or UTF-16 with a byte order mark. Cells are separated by tabs if the heading has one, else
    by commas or semicolons, whichever it has more of; cells beyond the heading are ignored.

    Args:
        file: at its beginning; it is closed at the end.
        name: the list's path or address; its ending tells JSON lines from tables.

    Raises:
        LabelsError: it can't be read.
    """
    ending = Path(name).suffix.lower()
    if ending == ".json":
        raise LabelsError(f"{name}: of JSON only JSON lines are read, an object in each line, in a .jsonl file")
    lines = ending in JSON_LINES
    try:
        encoding = "utf-16" if file.peek(2)[:2] in _UTF_16 else "utf-8-sig"
        with io.TextIOWrapper(file, encoding=encoding, newline="\n" if lines else "") as text:
            yield from _objects(text, name) if lines else _cells(text, name)
    except UnicodeDecodeError as error:
        raise LabelsError(f"{name}: not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise LabelsError(f"{name}: can't be read: {error.strerror or error}") from error


def column(columns: Sequence[str], asked: str | None, usual: Iterable[str], name: str) -> str:
    """The column asked for, or the first of the usual ones, ignoring case.

    Args:
        columns: of the list.
        asked: the column; None: one of the usual ones.
        usual: names to look for in that case.
        name: the list's path or address.

    Raises:
        LabelsError: there is none; the message lists the columns.
    """
    by_name = {key.strip().casefold(): key for key in reversed(columns)}
    for wish in (asked,) if asked is not None else usual:
        if wish in columns:
            return wish
        if wish.strip().casefold() in by_name:
            return by_name[wish.strip().casefold()]
    missing = repr(asked) if asked is not None else f"of {', '.join(usual)}"
    raise LabelsError(f"{name}: no column {missing}; it has {', '.join(columns) or 'none'}")


def locate(folder: Path, name: str) -> Path:
    """The path of a recording named in a list in `folder`; paths written on Windows work elsewhere, too."""
    path = folder / local_path(name)
    return folder / name.replace("\\", "/") if "\\" in name and not os.path.lexists(path) else path


def _cells(text: io.TextIOBase, name: str) -> Iterator[dict[str, str]]:
    head = next((line for line in text if line.strip()), "")
    plain = _QUOTED.sub("", head)  # a single column counts as tab-separated: its names may have commas
    delimiter = "\t" if "\t" in plain else max("\t,;", key=plain.count)
    reader = csv.reader(chain([head], text), delimiter=delimiter, skipinitialspace=True)
    line = 0
    try:
        columns = [cell.strip() for cell in next(reader)]
        line = reader.line_num
        for cells in filter(None, reader):
            line = reader.line_num
            pairs = zip_longest(columns, cells[: len(columns)], fillvalue="")
            yield {key: value.strip() for key, value in pairs if key}
    except csv.Error as error:
        raise LabelsError(f"{name}: not valid CSV after line {line}: {error}") from error


def _objects(text: io.TextIOBase, name: str) -> Iterator[dict[str, str]]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LabelsError(f"{name}: line {number} is not valid JSON: {error}") from error
        if not isinstance(row, dict):
            raise LabelsError(f"{name}: line {number} is not a JSON object")
        yield {key.strip(): "" if value is None else str(value).strip() for key, value in row.items()}
