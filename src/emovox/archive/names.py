"""Names of numbers that readouts give, as columns and filters have them: `READOUT.LABEL`."""

from typing import NamedTuple

from emovox.inference.recognition import ReadoutResult

LABEL, CONFIDENCE = (
    "label",
    "confidence",
)  # READOUT.label is the class that leads, and READOUT.confidence its score


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
