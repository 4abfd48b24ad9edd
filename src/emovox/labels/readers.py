"""The readers of label files, by ending: tables, what annotation programs write, audformat, and plug-ins'."""

from collections.abc import Iterator
from pathlib import Path

from emovox.audio import lists
from emovox.errors import LabelsError
from emovox.labels.annotations import (
    is_audacity,
    media_of_eaf,
    no_media,
    read_audacity,
    read_eaf,
    read_textgrid,
)
from emovox.labels.audformat import read_audformat
from emovox.labels.reader import LabelReader
from emovox.registry import Registry


def _table(path: Path) -> Iterator[dict[str, str]]:
    try:
        with path.open("rb") as file:
            yield from lists.rows(file, str(path))
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error


TABLE = LabelReader("table", _table)
AUDACITY = LabelReader("Audacity's labels", read_audacity, intervals=True, recordings=no_media)

READERS: Registry[LabelReader] = Registry(
    "emovox.labels",
    LabelReader,
    {
        "csv": TABLE,
        "tsv": TABLE,
        "jsonl": LabelReader("JSON lines", _table),
        "ndjson": LabelReader("JSON lines", _table),
        "textgrid": LabelReader("TextGrid (Praat)", read_textgrid, intervals=True, recordings=no_media),
        "eaf": LabelReader("EAF (ELAN)", read_eaf, intervals=True, recordings=media_of_eaf),
        "txt": AUDACITY,
        "yaml": LabelReader("audformat", read_audformat, intervals=True),
    },
    LabelsError,
)
"""By the ending of files, in small letters."""


def reader_of(path: Path) -> tuple[str, LabelReader]:
    """The ending of a file that has a reader, and the reader; any other file is taken for a table.

    So is a text file that doesn't begin as a label track: tables were saved as .txt before there were readers.

    Raises:
        LabelsError: a plug-in reads such files, and can't be used.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in READERS or (ending == "txt" and not is_audacity(path)):
        return "csv", TABLE
    return ending, READERS[ending]
