"""The columns of tables, and frames in pieces that fit the memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.recognition.recognition import Frames, Recognition

_ROWS = 2**14  # frames at once: five and a half minutes


def segment_columns(recognition: Recognition) -> list[str]:
    """Of the table of segments; a trained head adds its own."""
    own = [] if recognition.head is None else ["head_label", "head_confidence"]
    return ["start", "end", "emotion", "confidence", *NAMES, "channel", *own]


def frame_columns(recognition: Recognition) -> list[str]:
    """Of the table of frames; a trained head adds its classes."""
    labels = None if recognition.frames is None else recognition.frames.head_labels
    own = [f"head_{label}" for label in labels or []]
    return ["time", *NAMES, *(f"logit_{name}" for name in NAMES), *own]


@dataclass(frozen=True)
class Chunk:
    """Some frames.

    Attributes:
        times: their centres, seconds, (n,).
        scores: smoothed, (n, 9), in the order of `NAMES`.
        logits: (n, 9).
        head: smoothed scores of a trained head, (n, classes); without one (n, 0).
    """

    times: NDArray[np.float64]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    head: NDArray[np.float32]

    def rows(self) -> list[list[float]]:
        """The numbers of `frame_columns`, a list for each frame."""
        rows: list[list[float]] = np.column_stack([self.times, self.scores, self.logits, self.head]).tolist()
        return rows


def chunks(frames: Frames | None) -> Iterator[Chunk]:
    """All frames in order, some at a time."""
    if frames is None:
        return
    for first in range(0, len(frames.scores), _ROWS):
        some = slice(first, first + _ROWS)
        times = frames.first_centre + frames.hop * np.arange(
            first, first + len(frames.scores[some]), dtype=np.float64
        )
        empty = np.empty((len(times), 0), np.float32)
        head = empty if frames.head_scores is None else frames.head_scores[some]
        yield Chunk(times, frames.scores[some], frames.logits[some], head)
