"""Columns of tables, and frames in chunks that fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.inference.frames import Frames

_ROWS = 2**14  # frames at once: five and a half minutes

ORIGIN = ("path", "outputs")
"""The first columns in a table of many recordings: where the recording was, and its outputs directory."""


def segment_columns(*, head: bool) -> list[str]:
    """The columns of segments; a head adds its own."""
    own = ["head_label", "head_confidence"] if head else []
    return ["start", "end", "emotion", "confidence", *NAMES, "channel", *own]


def frame_columns(labels: Sequence[str]) -> list[str]:
    """The columns of frames; a head adds its classes."""
    return ["time", *NAMES, *(f"logit_{name}" for name in NAMES), *(f"head_{label}" for label in labels)]


@dataclass(frozen=True)
class Chunk:
    """n frames.

    Attributes:
        times: their centres, seconds, (n,).
        scores: smoothed, (n, 9), in the order of `NAMES`.
        logits: (n, 9).
        head: smoothed scores of a head, (n, classes); NaN for a class that this recording's head lacks.
    """

    times: NDArray[np.float64]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    head: NDArray[np.float32]

    def rows(self) -> list[list[float]]:
        """The numbers of `frame_columns`, a list for each frame."""
        rows: list[list[float]] = np.column_stack([self.times, self.scores, self.logits, self.head]).tolist()
        return rows


def chunks(frames: Frames | None, labels: Sequence[str]) -> Iterator[Chunk]:
    """All frames in order, in chunks, with these classes of a head."""
    if frames is None:
        return
    own = frames.head_labels or []
    known = [column for column, label in enumerate(labels) if label in own]
    order = [own.index(labels[column]) for column in known]
    for first in range(0, len(frames.scores), _ROWS):
        some = slice(first, first + _ROWS)
        times = frames.first_centre + frames.hop * np.arange(
            first, first + len(frames.scores[some]), dtype=np.float64
        )
        head = np.full((len(times), len(labels)), np.nan, np.float32)
        if frames.head_scores is not None:
            head[:, known] = frames.head_scores[some][:, order]
        yield Chunk(times, frames.scores[some], frames.logits[some], head)
