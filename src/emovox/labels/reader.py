"""A reader of label files, by their ending. Those of plug-ins are made of the same."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START, END = "start", "end"
"""The columns of a reader of intervals: seconds in the recording."""


@dataclass(frozen=True)
class LabelReader:
    """What makes rows of a file.

    Attributes:
        title: what people call such files.
        read: gives a file's rows: text by column, all of one file with a column of paths, as `path`. Those may be
            relative to the file. What a column says is up to its name, as in a table: `label` or `emotion`,
            `speaker`, `arousal`. Raises `LabelsError`, with the file's name in front.
        intervals: a row is about a stretch of its recording, from `start` to `end`, seconds as decimal numbers,
            or, without either column, about all of it; rows without a label are left out.
        recordings: of files that are about one recording, whose rows have no paths: what a file says that it is
            called, the likeliest first, seen from the file. It may say nothing: then the recording has the file's
            own name, with another ending. None: rows have their paths.
    """

    title: str
    read: Callable[[Path], Iterable[Mapping[str, str]]]
    intervals: bool = False
    recordings: Callable[[Path], Sequence[str]] | None = None
