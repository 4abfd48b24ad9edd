"""Predictions: what was recognised of a task's recording, as Label Studio's JSON.

Source: Label Studio's documentation, "Import pre-annotated data", "Labels in JSON".
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from emovox.errors import HeadError
from emovox.inference.recognition import ABSTAINED, ModelFacts, Recognition, Segment
from emovox.models.head import Head, head_path
from emovox.server.fitting import SOUNDLESS
from emovox.server.labelling.config import Control

_LONGEST = 64  # characters of a head's name


class Judged(NamedTuple):
    """A control of a project, and what judges its labels.

    Attributes:
        control: of the config.
        head: the trained head; None: the model itself.
    """

    control: Control
    head: Head | None

    @property
    def head_name(self) -> str | None:
        """The head's name."""
        return None if self.head is None else self.head.name


def head_name(project: int, control: Control) -> str:
    """The name of the head that is trained on a project's labels."""
    word = "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in control.name)
    return f"label-studio-{project}-{word}"[:_LONGEST]


def judged(project: int, controls: Sequence[Control]) -> list[Judged]:
    """Each control with its head: that of the project, or the one that is called as the control is.

    A head counts if two of its classes or more have labels.
    """
    return [Judged(control, _head(project, control)) for control in controls]


def _head(project: int, control: Control) -> Head | None:
    for name in (head_name(project, control), control.name):
        with suppress(HeadError):
            head = Head.find(str(head_path(name)))
            if len(control.meanings(head.classes)) >= 2:
                return head
    return None


def version(model: ModelFacts, items: Sequence[Judged]) -> str:
    """What Label Studio tells predictions apart by: the model, and when its heads were trained."""
    heads = [f"{item.head.name} {item.head.training.created_at:%Y-%m-%d %H:%M:%S}" for item in items if item.head]
    return " + ".join([f"{model.name} {model.revision}", *heads])


def prediction(
    items: Sequence[Judged], recognitions: Mapping[tuple[str, str | None], Recognition]
) -> dict[str, Any]:
    """A task's prediction.

    Its score is how certain the least certain control is, so that the least certain come first in Label Studio's
    uncertainty sampling; it isn't there where nothing was judged.

    Args:
        items: the controls.
        recognitions: with segments, by the recording's key in the task and the head's name.
    """
    results: list[dict[str, Any]] = []
    certainties: list[float] = []
    for item in items:
        recognition = recognitions[item.control.key, item.head_name]
        if not recognition.is_inferred or SOUNDLESS & set(recognition.warnings):
            continue
        parts: Sequence[Segment | Recognition] = (
            recognition.segments or [] if item.control.kind == "Labels" else [recognition]
        )
        weights, total = 0.0, 0.0
        for part in parts:
            lead = _lead(part, item)
            if lead is None:
                continue
            label, score = lead
            weight = part.end - part.start if isinstance(part, Segment) else 1.0
            weights, total = weights + weight, total + weight * score
            if label is not None:
                results.append(_result(item.control, part, label, score, recognition, len(results) + 1))
        if weights:
            certainties.append(total / weights)
    answer: dict[str, Any] = {"result": results}
    return {**answer, "score": round(min(certainties), 4)} if certainties else answer


def _result(
    control: Control, part: Segment | Recognition, label: str, score: float, whole: Recognition, number: int
) -> dict[str, Any]:
    kind = control.kind.lower()
    value: dict[str, Any] = {kind: [label]}
    if isinstance(part, Segment):
        value = {"start": part.start, "end": part.end, "channel": 0, **value}
    return {
        "id": f"emovox-{number}",
        "from_name": control.name,
        "to_name": control.to_name,
        "type": kind,
        "original_length": whole.recording.duration,
        "value": value,
        "score": round(score, 4),
    }


def _lead(part: Segment | Recognition, item: Judged) -> tuple[str | None, float] | None:
    """What leads, and its score: a label, or None where that is a class without one; None: nothing is judged.

    Scores of classes with one label add up. Nothing is spread over the labels that there are: where a project has
    no label for the leading class, it has none there.
    """
    scores = _scores(part, item)
    if scores is None:
        return None
    meanings = item.control.meanings(scores)
    sums: dict[tuple[str | None, str], float] = defaultdict(float)
    for name, score in scores.items():
        label = meanings.get(name)
        sums[label, "" if label is not None else name] += score
    (label, _), score = max(sums.items(), key=lambda pair: pair[1])
    return label, min(1.0, score)


def _scores(part: Segment | Recognition, item: Judged) -> Mapping[str, float] | None:
    """The scores that tell the labels: the head's, the nine, or those of the first readout whose classes fit."""
    if part.is_abstained if isinstance(part, Segment) else ABSTAINED in part.warnings:
        return None
    if item.head is not None:
        readout = part.readouts.get(item.head.name)
        return None if readout is None else readout.scores
    if part.scores is not None:
        return part.scores
    tables = (readout.scores for readout in part.readouts.values() if readout.scores)
    return next((scores for scores in tables if item.control.meanings(scores)), None)
