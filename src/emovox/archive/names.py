"""Names of numbers that readouts give, as columns and filters have them: `READOUT.LABEL`."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from emovox.errors import ArchiveError
from emovox.inference.recognition import ReadoutResult

LABEL, CONFIDENCE = (
    "label",
    "confidence",
)  # READOUT.label is the class that leads, and READOUT.confidence its score


_LONGEST = 200  # characters of a label: an index of PostgreSQL takes no row above 2.7 kB


class Name(NamedTuple):
    """What a reading is of: a readout and one of its labels, and whether that is a value, not a class."""

    readout: str
    label: str
    value: bool

    def __str__(self) -> str:
        return f"{self.readout}.{self.label}"


def numbers(item: ReadoutResult) -> dict[str, float]:
    """The scores, or the values, by label."""
    return (item.values if item.scores is None else item.scores) or {}


def checked(readouts: Mapping[str, ReadoutResult]) -> dict[str, ReadoutResult]:
    """Readouts, if any database can hold them.

    Raises:
        ArchiveError: a number isn't finite, or a name is too long.
    """
    for name, item in readouts.items():
        by_label = numbers(item)
        if not all(map(math.isfinite, by_label.values())):
            raise ArchiveError(f"the readout {name:.100} holds NaN or infinity")
        if max(map(len, (name, *by_label))) > _LONGEST:
            raise ArchiveError(f"a readout and its labels have names of at most {_LONGEST} characters")
    return dict(readouts)


def values(readouts: Mapping[str, ReadoutResult]) -> dict[str, dict[str, float]]:
    """Of each readout that gives values, those by their names.

    Raises:
        ArchiveError: as `checked`.
    """
    return {name: dict(item.values) for name, item in checked(readouts).items() if item.values}
