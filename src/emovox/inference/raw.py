"""A result as it would be without its baseline, for what compares recordings of many voices."""

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

import numpy as np

from emovox.emotions import NAMES
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.frames import Frames, Rows
from emovox.inference.recognition import UNSURE, Line, ReadoutResult, Recognition, Segment

Whole = TypeVar("Whole", bound=Recognition | Segment | Line)

WITHOUT = "_without"
"""Follows the name of a column of scores in tables: the column of what they would be without the baseline."""


def without_baseline(recognition: Recognition) -> Recognition:
    """The same with the scores that it would have without its baseline; its frames stay as they are."""
    if recognition.baseline is None:
        return recognition
    # Whether it is unsure without its baseline isn't known here: that has a threshold of its own.
    segments = recognition.segments and [
        raw(item).model_copy(update={"unsure": item.is_abstained or None}) for item in recognition.segments
    ]
    lines = recognition.lines and [
        raw(item).model_copy(update={"unsure": item.is_abstained or None}) for item in recognition.lines
    ]
    warnings = [code for code in recognition.warnings if code != UNSURE]
    parts = {"segments": segments, "lines": lines}
    return raw(recognition).model_copy(update={"baseline": None, "warnings": warnings, **parts})


def frames_without_baseline(
    frames: Frames, baseline: BaselineFacts, emotions: Mapping[str, str] | None = None
) -> Frames:
    """The same with the scores that they would have without the baseline: exact up to rounding.

    Args:
        frames: with their rows.
        baseline: that the scores are relative to.
        emotions: which of the nine each label of the model was taken for; None: it gives the nine by their names.
    """
    scores, readouts = frames.scores, dict(frames.readouts)
    for name, shift in baseline.shift.items():
        item = readouts.get(name)
        if item is None:
            by_emotion = {_emotion(label): value for label, value in shift.items()}
            scores = None if scores is None else _moved_back(scores, NAMES, by_emotion)
        elif item.scores is not None:
            rows = _moved_back(item.scores, item.labels, shift)
            readouts[name] = item.model_copy(update={"scores": rows})
            if scores is not None:
                columns = [NAMES.index((emotions or {}).get(label) or _emotion(label)) for label in item.labels]
                nine = rows @ np.eye(len(NAMES), dtype=np.float32)[columns]
                scores = np.where(np.isnan(nine), scores, nine)  # of what doesn't count: unknown
    return frames.model_copy(update={"scores": scores, "readouts": readouts})


def raw_frames(recognition: Recognition) -> Frames | None:
    """A recognition's frames likewise; None: it has none, or no baseline."""
    frames, baseline = recognition.frames, recognition.baseline
    if frames is None or baseline is None:
        return None
    return frames_without_baseline(frames, baseline, recognition.model.emotions)


def _emotion(label: str) -> str:
    """Which of the nine a label is that has its name, as `Readout.is_nine` takes it: 生气/angry, <unk>."""
    name = label.lower().rpartition("/")[2].strip()
    return name if name in NAMES else "unknown"


def _moved_back(scores: Rows, labels: Iterable[str], shift: Mapping[str, float]) -> Rows:
    """The softmax (T, K) of the logits of scores (T, K), without what was added to them."""
    rows = scores * np.exp(-np.array([shift.get(label, 0.0) for label in labels]))
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float32)


def raw(item: Whole) -> Whole:
    """A recording, a segment or a line likewise, without a look at its other parts."""
    readouts = {name: _readout(result) for name, result in item.readouts.items()}
    if item.scores_without is None:
        return cast("Whole", item.model_copy(update={"readouts": readouts}))
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"emotion": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return cast("Whole", item.model_copy(update={**facts, "scores_without": None, "readouts": readouts}))


def _readout(item: ReadoutResult) -> ReadoutResult:
    if item.scores_without is None:
        return item
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"label": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return item.model_copy(update={**facts, "scores_without": None})
