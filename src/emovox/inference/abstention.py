"""Abstention: where a policy demands it, nothing is given where the model is unsure.

What is withheld has the form that silence has, which scripts know: the emotion is `unknown` with the score 1, and
there are no readouts. Of a recording the warning says which of the two it is; of a segment its `unsure` does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.nine import five
from emovox.inference.recognition import ABSTAINED, UNSURE, Line, Recognition, Segment
from emovox.models.scores import certain
from emovox.policy import Ruling

Span = tuple[float, float]
"""Seconds."""


def as_ruled(recognition: Recognition, ruling: Ruling) -> Recognition:
    """A recognition as a ruling allows it: `abstained`, if it demands that."""
    return abstained(recognition) if ruling.abstain else recognition


def abstained(recognition: Recognition) -> Recognition:
    """The same with nothing of what is unsure: of recording, segments and lines, and where those are of the curve.

    Logits of frames are left out altogether where anything is. Embeddings stay, which are no verdict.
    """
    whole, segments, lines = UNSURE in recognition.warnings, recognition.segments, recognition.lines
    spans: list[Span] = [(item.start, item.end) for item in (*(segments or ()), *(lines or ())) if item.unsure]
    if not whole and not spans:
        return recognition
    changes: dict[str, Any] = {}
    if whole:
        warnings = [ABSTAINED if code == UNSURE else code for code in recognition.warnings]
        changes = {**_nothing(recognition), "warnings": warnings}
    for name, items in (("segments", segments), ("lines", lines)):
        if items is not None:
            changes[name] = [item.model_copy(update=_nothing(item)) if item.unsure else item for item in items]
    if recognition.frames is not None:
        changes["frames"] = _frames(recognition.frames, [(0.0, float("inf"))] if whole else spans, whole=whole)
    return recognition.model_copy(update=changes)


def _nothing(item: Recognition | Segment | Line) -> dict[str, Any]:
    unknown = five(certain("unknown")) if item.emotion is not None else {}
    without = {} if item.scores_without is None else {"scores_without": unknown["scores"]}
    return {**unknown, **without, "readouts": {}}


def _frames(frames: Frames, spans: Sequence[Span], *, whole: bool) -> Frames:
    times = frames.first_centre + frames.hop * np.arange(len(frames))
    hidden = np.any([(start <= times) & (times <= end) for start, end in spans], axis=0)
    scores = None if frames.scores is None else frames.scores.copy()
    if scores is not None:
        scores[hidden] = certain("unknown")
    readouts = {} if whole else {name: _readout(item, hidden) for name, item in frames.readouts.items()}
    return frames.model_copy(update={"scores": scores, "logits": None, "readouts": readouts})


def _readout(item: FrameReadout, hidden: "np.ndarray[Any, np.dtype[np.bool_]]") -> FrameReadout:
    rows = item.numbers.copy()
    rows[hidden] = np.nan
    return item.model_copy(update={"scores" if item.scores is not None else "values": rows, "logits": None})
