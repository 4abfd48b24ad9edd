"""Training: from a list of labelled recordings to a head, how it does, and the labels to check."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.evaluation.groups import noun_of
from emovox.evaluation.metrics import bootstrap, measure, wilson
from emovox.heads.dataset import embed
from emovox.heads.fitting import Examples, FitProgress, FitResult, Method, check, fit_head
from emovox.heads.linear import Linear
from emovox.inference.recognizer import Recognizer
from emovox.labels.aliases import emotion_of
from emovox.labels.label_list import Failure, Labelled, check_exists, find_group, read_labels
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.head import Head, Training, check_free, check_name
from emovox.models.own_head import OwnHead
from emovox.version import __version__

DOUBTS = 30


@dataclass(frozen=True)
class Doubt:
    """A label that may be wrong: with the recording held out, another class had the highest score.

    Attributes:
        name: of the recording, as the list has it.
        label: its class there.
        prediction: the class with the highest score.
        confidence: that score.
        score: of its own label.
    """

    name: str
    label: str
    prediction: str
    confidence: float
    score: float


@dataclass(frozen=True)
class Trained:
    """A trained head, how it does, and what could not be used.

    Attributes:
        head: the head, not yet written to disk.
        fit: how it does.
        failures: recordings that could not be used, and why.
        doubts: labels to check, the most doubtful first.
    """

    head: Head
    fit: FitResult
    failures: list[Failure]
    doubts: list[Doubt]


def train(
    path: Path,
    name: str,
    recognizer: Recognizer,
    *,
    paths: str | None = None,
    labels: str | None = None,
    group: str | None = None,
    method: Method = "auto",
    start: Callable[[Sequence[Labelled]], None] = lambda _: None,
    begin: Callable[[str], None] = lambda _: None,
    progress: FitProgress = lambda _, __: None,
) -> Trained:
    """Train a head on a list of labelled recordings.

    Args:
        path: of the list, as `read_labels` reads it.
        name: of the head.
        recognizer: the model on whose embeddings the head is trained.
        paths: column of paths; by default one with a usual name.
        labels: column of labels, likewise.
        group: column of what is held out together, speakers for example; by default one with a usual name.
        method: `prototypes`, `logistic`, or `auto`, which tries both on what is held out.
        start: is told the list, once it is known to be usable.
        begin: is told the name of each recording before its turn.
        progress: is told how many fits are done, of how many.

    Raises:
        LabelsError: the list can't be used, or no head can be fitted to it.
        HeadError: the name isn't one for a head, or a readout of the model has it.
        DecoderError: as `Recognizer.recognize`.
    """
    check_name(name)
    check_free(name, recognizer.metadata)
    rows = read_labels(path, paths=paths, labels=labels)
    column = find_group(rows, group, path)
    check_exists(rows, path)
    check(_examples(rows, np.zeros((len(rows), 0), np.float32), column))
    start(rows)
    embeddings, rows, failures, sha256s = embed(rows, recognizer, begin=begin)
    facts = {
        "labels_file": os.path.abspath(path),  # noqa: PTH100  links stay as they are
        "path_column": paths,
        "label_column": labels,
    }
    material = Material(rows, embeddings, sha256s, column, failures)
    return train_on(material, name, recognizer, method=method, progress=progress, facts=facts)


@dataclass(frozen=True)
class Material:
    """What a head is trained on.

    Attributes:
        rows: names, labels and groups, n of them.
        embeddings: float32 (n, D), by the model.
        sha256s: of the recordings, as far as they are known.
        group: the key among the rows' groups of what is held out together; None: each is by itself.
        failures: what could not be used, and why.
    """

    rows: Sequence[Labelled]
    embeddings: NDArray[np.float32]
    sha256s: Sequence[str]
    group: str | None
    failures: list[Failure]


def train_on(
    material: Material,
    name: str,
    recognizer: Recognizer,
    *,
    method: Method = "auto",
    progress: FitProgress = lambda _, __: None,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> Trained:
    """Train a head on embeddings.

    Args:
        material: those.
        name: of the head.
        recognizer: the model that gave them.
        method: as of `train`.
        progress: likewise.
        facts: fields of `Training` about where the material is from.

    Raises:
        LabelsError: no head can be fitted to it.
    """
    examples = _examples(material.rows, material.embeddings, material.group)
    own = own_head_for(examples.classes, recognizer.own_head)
    fit = fit_head(examples, own, method=method, progress=progress)
    training = Training(
        created_at=datetime.now(timezone.utc),
        emovox=__version__,
        method=fit.method,
        own_head=own is not None,
        penalty=fit.penalty,
        temperature=fit.temperature,
        unit=noun_of(material.rows),
        clips=examples.counts,
        group=material.group,
        groups=None if examples.groups is None else len(set(examples.groups)),
        folds=fit.folds,
        unweighted=None if fit.after is None else round(fit.after.unweighted, 4),
        recalls={} if fit.after is None else {k: round(v, 4) for k, v in fit.after.recalls.items()},
        intervals=_intervals(fit),
        recordings=frozenset(sha256[: 2 * DIGEST] for sha256 in material.sha256s),
        **facts,
    )
    head = Head(
        name=name,
        model=FittedModel.of(recognizer.metadata),
        classes=examples.classes,
        training=training,
        weights=np.asarray(fit.linear.weights, np.float32),
        bias=np.asarray(fit.linear.bias, np.float32),
    )
    return Trained(head, fit, material.failures, doubts(fit))


def _intervals(fit: FitResult) -> dict[str, tuple[float, float]]:
    """95 % intervals of the recalls of what was held out.

    The wider end of each of two: the bootstrap, of whole groups if they are known, and Wilson's, as the bootstrap
    is sure of a few that are all right.
    """
    if fit.after is None:
        return {}
    examples = fit.held_out
    labels = np.array([examples.classes[index] for index in examples.labels])
    groups = np.array(examples.groups or ())
    of_groups = [
        measure(fit.scores[own], labels[own].tolist(), names=examples.classes)
        for own in (groups == value for value in np.unique(groups))
    ]
    drawn = bootstrap(fit.after, of_groups).recalls
    right, counts = np.diagonal(fit.after.confusion), examples.counts
    few = {
        name: wilson(int(right[index]), counts[name])
        for index, name in enumerate(examples.classes)
        if name in drawn
    }
    return {name: (min(low, few[name][0]), max(high, few[name][1])) for name, (low, high) in drawn.items()}


def own_head_for(classes: Sequence[str], own: OwnHead | None) -> Linear | None:
    """The model's own head for these classes, if each means another class that it was trained on.

    A class means the one of the same name, or the only one of the same emotion.
    """
    if own is None:
        return None
    by_word = {name.casefold(): row for row, name in enumerate(own.classes)}
    meanings = [own.emotions.get(name) or emotion_of(name) for name in own.classes]
    by_emotion = {name: row for row, name in enumerate(meanings) if name and meanings.count(name) == 1}
    rows = [by_word.get(name.casefold(), by_emotion.get(emotion_of(name) or "")) for name in classes]
    indices = [row for row in rows if row is not None]
    if len(set(indices)) < len(rows):
        return None
    return Linear(own.weights[indices].astype(np.float64), own.bias[indices].astype(np.float64))


def doubts(fit: FitResult) -> list[Doubt]:
    """Labels to check: those of which another class was the surest, at most `DOUBTS`."""
    examples, scores = fit.held_out, fit.scores
    best = scores.argmax(axis=1) if len(scores) else np.zeros(0, np.int64)
    rows = np.arange(len(best))
    margin = scores[rows, best] - scores[rows, examples.labels] if len(best) else np.zeros(0)
    order = [int(row) for row in np.argsort(-margin, kind="stable") if margin[row] > 0][:DOUBTS]
    return [
        Doubt(
            examples.names[row],
            examples.classes[examples.labels[row]],
            examples.classes[best[row]],
            float(scores[row, best[row]]),
            float(scores[row, examples.labels[row]]),
        )
        for row in order
    ]


def _examples(rows: Sequence[Labelled], embeddings: np.ndarray, column: str | None) -> Examples:
    classes = tuple(sorted({row.label for row in rows}))
    index = {name: number for number, name in enumerate(classes)}
    return Examples(
        embeddings,
        np.array([index[row.label] for row in rows], np.int64),
        classes,
        # Where the group isn't known the recording is one of its own.
        None if column is None else [row.groups.get(column) or row.name for row in rows],
        [row.name for row in rows],
    )
