"""CSV that spreadsheets may open: one rule for all that write it, the page's too (`web/src/lib/csv.ts`)."""

import csv
from collections.abc import Callable, Iterable
from typing import IO, Any

_ACTIVE = ("=", "+", "-", "@", "\t", "\r")


def writer(file: IO[str]) -> Callable[[Iterable[object]], Any]:
    """A function that writes a row, each cell as `inert` has it."""
    write = csv.writer(file, lineterminator="\n").writerow
    return lambda row: write([inert(cell) for cell in row])


def inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins as one gets an apostrophe in front.

    Numbers stay as they are, also as text. The rule is OWASP's for CSV injection.
    """
    if not isinstance(cell, str) or not cell.startswith(_ACTIVE):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
