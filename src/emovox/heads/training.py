"""Training a head: from a list of labelled recordings to a head and a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from emovox.heads.dataset import Failure, embed
from emovox.heads.fitting import Examples, FitProgress, FitResult, Method, check, fit_head
from emovox.heads.linear import Linear
from emovox.inference.recognizer import Recognizer
from emovox.labels.aliases import emotion_of
from emovox.labels.label_list import Labelled, find_group, missing, read_labels
from emovox.models.head import DIGEST, Head, HeadModel, Training, check_name
from emovox.models.own_head import OwnHead
from emovox.version import __version__

DOUBTS = 30


@dataclass(frozen=True)
class Doubt:
    """A label that may be wrong: held out, the recording sounded like another class.

    Attributes:
        name: of the recording, as the list has it.
        label: its class there.
        heard: the class with the highest score.
        confidence: that score.
        score: of its own label.
    """

    name: str
    label: str
    heard: str
    confidence: float
    score: float


@dataclass(frozen=True)
class Trained:
    """A head that was trained, how it did, and what could not be used.

    Attributes:
        head: to be written.
        taught: how it did.
        failures: recordings that could not be used, with what is wrong.
        doubts: labels to listen to again, the most doubtful first.
    """

    head: Head
    taught: FitResult
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
    begin: Callable[[str], None] = lambda _: None,
    found: Callable[[Sequence[Labelled]], None] = lambda _: None,
    progress: FitProgress = lambda _, __: None,
) -> Trained:
    """Train a head on a list of labelled recordings.

    Args:
        path: of the list, .csv, .tsv or .jsonl.
        name: of the head.
        recognizer: the model whose embeddings it will map.
        paths: column of paths; by default one with a usual name.
        labels: column of labels, likewise.
        group: column of what is held out together, a speaker for example; by default one with a usual name.
        method: `prototypes`, `logistic`, or `auto`, which tries both on what is held out.
        begin: is told the name of each recording before it is heard.
        found: is told the list before that.
        progress: is told how many fits are done, of how many.

    Raises:
        LabelsError: the list can't be used, or nothing can be learnt from it.
        HeadError: nothing can be called that.
        DecoderError: as `Recognizer.recognize`.
    """
    check_name(name)
    rows = read_labels(path, paths=paths, labels=labels)
    column = find_group(rows, group, path)
    missing(rows, path)
    check(_examples(rows, np.zeros((len(rows), 0), np.float32), column))
    found(rows)
    embeddings, rows, failures, sha256s = embed(rows, recognizer, begin=begin)
    examples = _examples(rows, embeddings, column)
    own = own_head_for(examples.classes, recognizer.own_head)
    taught = fit_head(examples, own, method=method, progress=progress)
    training = Training(
        created_at=datetime.now(timezone.utc),
        emovox=__version__,
        method=taught.method,
        own_head=own is not None,
        penalty=taught.penalty,
        temperature=taught.temperature,
        clips=examples.counts,
        group=column,
        groups=None if examples.groups is None else len(set(examples.groups)),
        folds=taught.folds,
        unweighted=None if taught.after is None else round(taught.after.unweighted, 4),
        recalls={} if taught.after is None else {k: round(v, 4) for k, v in taught.after.recalls.items()},
        recordings=frozenset(sha256[: 2 * DIGEST] for sha256 in sha256s),
    )
    head = Head(
        name=name,
        model=HeadModel.of(recognizer.metadata),
        classes=examples.classes,
        training=training,
        weights=np.asarray(taught.linear.weights, np.float32),
        bias=np.asarray(taught.linear.bias, np.float32),
    )
    return Trained(head, taught, failures, doubts(taught))


def own_head_for(classes: Sequence[str], own: OwnHead | None) -> Linear | None:
    """The model's own head for these classes, when each means another emotion that the model was taught."""
    meant = [emotion_of(name) for name in classes]
    if own is None or len(set(meant)) < len(meant) or not set(meant) <= set(own.classes):
        return None
    rows = [own.classes.index(emotion) for emotion in meant if emotion is not None]
    return Linear(own.weights[rows].astype(np.float64), own.bias[rows].astype(np.float64))


def doubts(taught: FitResult) -> list[Doubt]:
    """Labels to listen to again: those that were surely heard as another class, at most `DOUBTS`."""
    heard, classes = taught.heard, taught.heard.classes
    best = taught.scores.argmax(axis=1) if len(taught.scores) else np.zeros(0, np.int64)
    rows = np.arange(len(best))
    margin = taught.scores[rows, best] - taught.scores[rows, heard.labels] if len(best) else np.zeros(0)
    order = [int(row) for row in np.argsort(-margin, kind="stable") if margin[row] > 0][:DOUBTS]
    return [
        Doubt(
            heard.names[row],
            classes[heard.labels[row]],
            classes[best[row]],
            float(taught.scores[row, best[row]]),
            float(taught.scores[row, heard.labels[row]]),
        )
        for row in order
    ]


def _examples(rows: Sequence[Labelled], embeddings: np.ndarray, column: str | None) -> Examples:
    classes = tuple(sorted({row.label for row in rows}))
    index = {name: place for place, name in enumerate(classes)}
    return Examples(
        embeddings,
        np.array([index[row.label] for row in rows], np.int64),
        classes,
        # Who is unnamed may be anybody.
        None if column is None else [row.groups.get(column) or row.name for row in rows],
        [row.name for row in rows],
    )
