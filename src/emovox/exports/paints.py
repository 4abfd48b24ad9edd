"""Paints: the colours of a picture's segments, by what leads in each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import EMOTIONS
from emovox.exports import palette
from emovox.exports.verdict import SEPARATOR, verdict
from emovox.inference.recognition import Recognition, Segment

PLAIN = "#667180"
"""Of segments without a class, as those of values."""
# Greys are told apart by more than their colour.
HATCHES = {"": "", "dots": "...", "stripes": "////"}
"""What matplotlib calls the textures of emotions."""
_DASHES: dict[str, Any] = {"neutral": (0, (3, 1)), "other": (0, (1.7, 0.9)), "unknown": (0, (0.9, 0.9))}


@dataclass(frozen=True)
class Paint:
    """One of them, of an emotion or a class of that name; dashes are of its line, the hatch of its areas."""

    name: str
    colour: str
    dashes: Any = "-"
    hatch: str = ""


class Paints:
    """Those of one picture, in order: of the nine emotions, or of a readout's classes; the last one is plain.

    Attributes:
        readout: the name of the readout whose classes they are.
        items: the paints.
    """

    def __init__(self, recognition: Recognition) -> None:
        self.readout: str | None = None
        every: list[Recognition | Segment] = [recognition, *(recognition.segments or [])]
        classes = [
            (name, list(item.scores))
            for one in every
            if one.emotion is None
            for name, item in one.readouts.items()
            if item.scores is not None
        ]
        self.items = NINE
        if classes and all(one.emotion is None for one in every):
            self.readout, labels = classes[0]
            self.items = tuple(
                Paint(label, palette.colour(index), palette.dashes(index)) for index, label in enumerate(labels)
            )
        self.items += (Paint("", PLAIN),)
        self._places = {paint.name: place for place, paint in enumerate(self.items)}

    def place(self, item: Recognition | Segment) -> int:
        """Which of them is that of a segment, or of the whole."""
        if self.readout is None:
            return self._places[item.emotion or ""]
        readout = item.readouts.get(self.readout)
        return self._places[(readout.label if readout is not None else None) or ""]

    def at(self, times: NDArray[np.float64], segments: list[Segment]) -> NDArray[np.int64]:
        """Which it is at each time, (n,); -1: in no segment."""
        places = np.full(len(times), -1, dtype=np.int64)
        for segment in segments:
            first, last = np.searchsorted(times, [segment.start, segment.end])
            places[first:last] = self.place(segment)
        return places


NINE = tuple(
    Paint(each.name, each.colour, _DASHES.get(each.name, "-"), HATCHES[each.texture]) for each in EMOTIONS
)
"""Those of the nine emotions."""


def words(segment: Segment, language: str) -> list[str]:
    """The lines that stand on a segment: the emotion or class and its confidence, or the values, three at most."""
    lead = verdict(segment, language)
    if lead.confidence is not None:
        return [lead.text, f"{100 * lead.confidence:.0f} %"]
    lines = lead.text.split(SEPARATOR) if segment.readouts else []
    return lines if len(lines) <= 3 else [lead.text]
