"""A result as it would be without its baseline, for what compares recordings of many voices."""

from typing import TypeVar

from emovox.inference.recognition import ReadoutResult, Recognition, Segment

Whole = TypeVar("Whole", Recognition, Segment)

WITHOUT = "_without"
"""Follows the name of a column of scores in tables: the column of what they would be without the baseline."""


def without_baseline(recognition: Recognition) -> Recognition:
    """The same with the scores that it would have without its baseline; its frames stay as they are."""
    if recognition.baseline is None:
        return recognition
    segments = recognition.segments and [raw(item) for item in recognition.segments]
    return raw(recognition).model_copy(update={"baseline": None, "segments": segments})


def raw(item: Whole) -> Whole:
    """A recording or a segment likewise, without a look at its other parts."""
    readouts = {name: _readout(result) for name, result in item.readouts.items()}
    if item.scores_without is None:
        return item.model_copy(update={"readouts": readouts})
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"emotion": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return item.model_copy(update={**facts, "scores_without": None, "readouts": readouts})


def _readout(item: ReadoutResult) -> ReadoutResult:
    if item.scores_without is None:
        return item
    best = max(item.scores_without, key=item.scores_without.__getitem__)
    facts = {"label": best, "confidence": item.scores_without[best], "scores": item.scores_without}
    return item.model_copy(update={**facts, "scores_without": None})
