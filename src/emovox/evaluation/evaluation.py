"""Evaluation: how well a model, or a head, does on labelled recordings."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.errors import AudioError, DecoderError, EmovoxError, LabelsError
from emovox.evaluation.metrics import DRAWS, Interval, Measures, bootstrap, by_group, measure
from emovox.inference.recognition import NO_SPEECH, ModelFacts, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.labels.aliases import to_classes
from emovox.labels.folds import Folds, find_folds
from emovox.labels.label_list import GROUPS, Failure, Labelled
from emovox.models.head import Head
from emovox.models.scores import to_scores

Competing = Literal["shared", "all"]
MOST_VALUES = 2000  # of a column whose values are measured one by one; more are names of files and the like


@dataclass(frozen=True)
class Evaluation:
    """What was recognised in labelled recordings, and how well.

    Attributes:
        model: the model.
        head: the head that was evaluated; None: the model's own.
        names: the classes of the scores.
        classes: those that competed.
        rows: the recordings that were recognised, with their class as label.
        scores: theirs, (n, names).
        failures: recordings that could not be recognised, and why; they count as wrong.
        failed: the same recordings, with their class as label.
        left_out: how many recordings were left out, by label.
        measures: of all recordings.
        intervals: 95 % bootstrap intervals of its figures, resampled by `drawn_by`.
        recall_intervals: the same of each class's recall.
        f1_intervals: the same of each class's F1.
        drawn_by: the column of the groups that were resampled; None: recordings were.
        groups: measures by value of each column that has two or more values.
        folds: of each corpus, if the list has speakers and folds.
        trained_on: how many of the recordings the head was trained on; None: there is no head, or it isn't known.
    """

    model: ModelFacts
    head: Head | None
    names: tuple[str, ...]
    classes: tuple[str, ...]
    rows: Sequence[Labelled]
    scores: NDArray[np.float64]
    failures: Sequence[Failure]
    failed: Sequence[Labelled]
    left_out: Mapping[str, int]
    measures: Measures
    intervals: Mapping[str, Interval]
    recall_intervals: Mapping[str, Interval]
    f1_intervals: Mapping[str, Interval]
    drawn_by: str | None
    groups: Mapping[str, Mapping[str, Measures]]
    folds: Sequence[Folds]
    trained_on: int | None

    @property
    def drawn(self) -> str:
        """How the intervals were made, in words."""
        if self.drawn_by is None:
            return f"{DRAWS} bootstrap draws of single recordings"
        return f"{DRAWS} bootstrap draws of whole groups, by {self.drawn_by} ({len(self.groups[self.drawn_by])})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        head = self.head
        return {
            "schema": 1,
            "model": self.model.model_dump(mode="json"),
            "head": None
            if head is None
            else {"name": head.name, "created_at": head.training.created_at.isoformat()},
            "names": list(self.names),
            "competing": list(self.classes),
            **self.measures.to_dict(),
            "failed": [{"path": name, "reason": reason} for name, reason in self.failures],
            "left_out": dict(self.left_out),
            "intervals": {
                "drawn_by": self.drawn_by,
                **{name: list(ends) for name, ends in self.intervals.items()},
                "recalls": {name: list(ends) for name, ends in self.recall_intervals.items()},
                "f1s": {name: list(ends) for name, ends in self.f1_intervals.items()},
            },
            "groups": {column: by_group(values) for column, values in self.groups.items()},
            "folds": [asdict(folds) for folds in self.folds],
            "trained_on": self.trained_on,
        }


def evaluate(
    rows: Sequence[Labelled],
    recognizer: Recognizer,
    *,
    source: Path,
    labels_map: Mapping[str, str] | None = None,
    competing: Competing = "shared",
    head: Head | None = None,
    group: str | None = None,
    begin: Callable[[str], None] = lambda _: None,
    speech_only: bool = False,
) -> Evaluation:
    """Recognise labelled recordings, and compare.

    Args:
        rows: of a list or a layout.
        recognizer: the model.
        source: the list or directory, for messages.
        labels_map: classes by label, where the words alone don't say it; an empty one leaves a label out.
        competing: `shared`: only the classes compete that the model has and that occur among the labels, as is
            usual in the field; labels of other classes are left out. `all`: every class of the model competes, and
            labels of other classes count as wrong.
        head: a head to evaluate instead of the model's own.
        group: column of the groups that are resampled for the intervals; by default the first of `GROUPS` that the
            list has.
        begin: is told the name of each recording before its turn.
        speech_only: leave silence out of the verdicts; recordings without speech have none, and count as wrong.

    Raises:
        LabelsError: a label means no class, or there is nothing to compare.
        HeadError: the head was trained on another model.
        DecoderError: as `Recognizer.recognize`.
    """
    if head is not None:
        head.check(recognizer.metadata)
    names = NAMES if head is None else head.classes
    known: Collection[str] = recognizer.metadata.classes if head is None else head.classes
    if not known:
        raise LabelsError(
            f"the model {recognizer.metadata.name} gives only embeddings: evaluate a head on it with --head"
        )
    meaning = to_classes([row.label for row in rows], names, labels_map or {}, source)
    labelled, left_out = _with_classes(rows, meaning, known if competing == "shared" else names)
    if not labelled:
        raise LabelsError(f"{source}: every recording is left out, with the labels {', '.join(left_out)}")
    labels = {row.label for row in labelled}
    classes = tuple(name for name in names if name in known and (competing == "all" or name in labels))
    if len(classes) < 2:
        raise LabelsError(
            f"{source}: only one class competes ({', '.join(classes)}) and is always right; use --classes all"
        )
    recognised, scores, failures, failed, sha256s = [], [], [], [], []
    for row, following in zip_longest(labelled, labelled[1:]):
        begin(row.name)
        if following is not None:
            recognizer.expect(following.path)
        try:
            if head is None:
                result = recognizer.recognize(row.path, emotions=classes, speech_only=speech_only)
            else:
                result = recognizer.recognize(row.path, head=head, speech_only=speech_only)
        except DecoderError:  # not the recording's fault
            raise
        except EmovoxError as error:
            failures.append((row.name, error.reason if isinstance(error, AudioError) else str(error)))
            failed.append(row)
            continue
        row_scores = _scores(result, head, classes)
        if row_scores is None:
            failures.append((row.name, "silence" if "silence" in result.warnings else "no speech"))
            failed.append(row)
            continue
        recognised.append(row)
        scores.append(row_scores)
        sha256s.append(result.recording.sha256)
    table = np.array(scores).reshape(-1, len(names))
    measures = measure(table, [row.label for row in recognised], names=names, failed=[row.label for row in failed])
    columns = _columns([*recognised, *failed])
    groups = {column: _by_value(column, recognised, table, failed, names) for column in columns}
    by_word = {column.casefold(): column for column in columns}
    drawn_by = group if group is not None else next((by_word[key] for key in GROUPS if key in by_word), None)
    if drawn_by is not None and drawn_by not in groups:
        raise LabelsError(
            f"{source}: no column {drawn_by!r} with two or more values; there are {', '.join(groups) or 'none'}"
        )
    intervals = bootstrap(measures, [] if drawn_by is None else list(groups[drawn_by].values()))
    return Evaluation(
        recognizer.model,
        head,
        tuple(names),
        classes,
        recognised,
        table,
        failures,
        failed,
        left_out,
        measures,
        intervals.whole,
        intervals.recalls,
        intervals.f1s,
        drawn_by,
        groups,
        find_folds(rows),
        None if head is None or head.training.recordings is None else sum(map(head.training.knows, sha256s)),
    )


def doubts(evaluation: Evaluation) -> list[str]:
    """Why the figures may flatter, in sentences."""
    sentences, head = [], evaluation.head
    if head is not None and evaluation.trained_on is None:
        sentences.append(
            f"The head {head.name} doesn't say which recordings it was trained on: if some of these are among "
            "them, the figures flatter it."
        )
    elif head is not None and evaluation.trained_on:
        sentences.append(
            f"The head {head.name} was trained on {evaluation.trained_on} of these {len(evaluation.rows)} "
            "recordings, so the figures flatter it. Evaluate it on others."
        )
    for folds in evaluation.folds:
        if folds.shared:
            corpus = "" if folds.corpus is None else f" of {folds.corpus}"
            sentences.append(
                f"{folds.shared} of {folds.count} folds{corpus} (column {folds.column}) share speakers with "
                "others: a model that is trained on some of them and tested on another knows the voices."
            )
    return sentences


def _with_classes(
    rows: Iterable[Labelled], meaning: Mapping[str, str | None], known: Collection[str]
) -> tuple[list[Labelled], dict[str, int]]:
    """Rows with their class as label, and how many of each label are left out."""
    labelled: list[Labelled] = []
    left_out: dict[str, int] = {}
    for row in rows:
        name = meaning[row.label]
        if name is None or name not in known:
            left_out[row.label] = left_out.get(row.label, 0) + 1
        else:
            labelled.append(replace(row, label=name, original=row.label))
    return labelled, left_out


def _scores(result: Recognition, head: Head | None, classes: Sequence[str]) -> NDArray[np.float64] | None:
    """The scores (names,) among the classes that compete; None for silence, or where only speech counts none."""
    silent = "silence" in result.warnings or (result.speech_only and NO_SPEECH in result.warnings)
    if silent or (head is not None and result.head is None):
        return None
    if head is None or result.head is None:
        return np.array([result.scores[name] for name in NAMES])
    scores = np.array([result.head.scores[name] for name in head.classes])
    return to_scores(np.log(np.maximum(scores, 1e-300)), classes, head.classes)


def _columns(rows: Sequence[Labelled]) -> list[str]:
    """Columns of groups: with more than one value, and fewer than would name each recording."""
    columns = []
    for column in dict.fromkeys(key for row in rows for key in row.groups):
        values = {row.groups.get(column, "") for row in rows}
        if 1 < len(values) <= min(MOST_VALUES, max(2, len(rows) // 2)):
            columns.append(column)
    return columns


def _by_value(
    column: str,
    recognised: Sequence[Labelled],
    scores: NDArray[np.float64],
    failed: Sequence[Labelled],
    names: Sequence[str],
) -> dict[str, Measures]:
    values = np.array([row.groups.get(column, "") for row in recognised], dtype=object)
    measures = {}
    for value in sorted({row.groups.get(column, "") for row in [*recognised, *failed]}):
        own = np.flatnonzero(values == value).tolist()
        labels = [recognised[number].label for number in own]
        failed_labels = [row.label for row in failed if row.groups.get(column, "") == value]
        measures[value or "?"] = measure(scores[own], labels, names=names, failed=failed_labels)
    return measures
