"""Groups of a list: figures by the values of its columns, and whole groups for the intervals."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from emovox.errors import LabelsError
from emovox.evaluation.metrics import DRAWS
from emovox.labels.label_list import GROUPS, Labelled
from emovox.labels.value_list import Rated

MOST_VALUES = 2000  # of a column whose values are measured one by one; more are names of files and the like


def group_columns(rows: Sequence[Labelled | Rated]) -> list[str]:
    """Columns of groups: with more than one value, and fewer than would name each recording."""
    columns = []
    for column in dict.fromkeys(key for row in rows for key in row.groups):
        values = {row.groups.get(column, "") for row in rows}
        if 1 < len(values) <= min(MOST_VALUES, max(2, len(rows) // 2)):
            columns.append(column)
    return columns


def resampled_column(columns: Collection[str], group: str | None, source: Path) -> str | None:
    """The column whose groups are resampled: the one asked for, or the first of `GROUPS`; None: there is none.

    Raises:
        LabelsError: the one asked for isn't among the columns of groups.
    """
    by_word = {column.casefold(): column for column in columns}
    column = group if group is not None else next((by_word[key] for key in GROUPS if key in by_word), None)
    if column is not None and column not in columns:
        raise LabelsError(
            f"{source}: no column {column!r} with two or more values; there are {', '.join(columns) or 'none'}"
        )
    return column


def noun_of(rows: Sequence[Labelled | Rated]) -> Literal["recording", "stretch", "example"]:
    """What rows are, in a word: each a recording, or each a stretch of one, or some are one and some the other."""
    stretches = sum(row.span is not None for row in rows)
    return "recording" if not stretches else "stretch" if stretches == len(rows) else "example"


def plural(noun: str) -> str:
    """Several of what `noun_of` says."""
    return "stretches" if noun == "stretch" else f"{noun}s"


class Examples:
    """What is evaluated: recordings, stretches of recordings, or both.

    Attributes:
        rows: those that were recognised.
        failed: those that could not be.
    """

    rows: Sequence[Labelled | Rated]
    failed: Sequence[Labelled | Rated]

    @property
    def stretches(self) -> int:
        """How many are stretches of recordings."""
        return sum(row.span is not None for row in (*self.rows, *self.failed))

    @property
    def noun(self) -> str:
        """What each is: `recording`, `stretch`, or `example` where there are both."""
        return noun_of([*self.rows, *self.failed])

    @property
    def nouns(self) -> str:
        """What they are."""
        return plural(self.noun)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows) + len(self.failed)


def resampling(column: str | None, count: int, nouns: str = "recordings") -> str:
    """How intervals were made, in words; `count` is that of the groups, and `nouns` what they are groups of."""
    if column is None:
        return f"{DRAWS} bootstrap draws of single {nouns}"
    return f"{DRAWS} bootstrap draws of whole groups, by {column} ({count})"
