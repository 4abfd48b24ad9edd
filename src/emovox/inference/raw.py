"""A result as it would be without its baseline, for what compares recordings of many voices."""

from typing import TypeVar

from emovox.inference.recognition import UNSURE, ReadoutResult, Recognition, Segment

Whole = TypeVar("Whole", Recognition, Segment)


def without_baseline(recognition: Recognition) -> Recognition:
    """The same with the scores that it would have without its baseline; its frames stay as they are."""
    if recognition.baseline is None:
        return recognition
    # Whether it is unsure without its baseline isn't known here: that has a threshold of its own.
    segments = recognition.segments and [
        _raw(item).model_copy(update={"unsure": None}) for item in recognition.segments
    ]
    warnings = [code for code in recognition.warnings if code != UNSURE]
    return _raw(recognition).model_copy(update={"baseline": None, "segments": segments, "warnings": warnings})


def _raw(item: Whole) -> Whole:
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
