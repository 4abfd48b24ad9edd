"""A reader of labels: HTK's .lab files, which have start, end and label in a line, in units of 100 ns."""

from collections.abc import Iterator
from pathlib import Path

from emovox import LabelsError
from emovox.plugins import LabelReader

UNITS = 10_000_000  # in a second


def read(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file; its recording is the .wav file of the same name."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            start, end, label = line.split(maxsplit=2)
            times = {"start": str(int(start) / UNITS), "end": str(int(end) / UNITS)}
        except ValueError:
            raise LabelsError(f"{path}: line {number} has no start, end and label") from None
        yield {"path": f"{path.stem}.wav", "label": label.strip(), **times}


LAB = LabelReader(title="HTK labels", read=read, intervals=True)
