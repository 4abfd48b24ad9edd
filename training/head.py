"""The head: multinomial logistic regression over standardised embeddings, and how well it does on new speakers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.linear_model import LogisticRegression

from emovox.emotions import NAMES

# Candidates for C, the inverse of the penalty. Larger ones would only raise the confidence on speech unlike the
# training data, where it is too high already.
STRENGTHS = (3e-3, 1e-2, 3e-2)

Floats = NDArray[np.float32]
Texts = NDArray[np.str_]


@dataclass(frozen=True)
class Head:
    """A linear map from a raw embedding (D,) to the logits of the nine emotions.

    Attributes:
        weight: (9, D); zeros for an emotion that was not taught.
        bias: (9,).
        classes: the taught ones, in the order of the nine.
    """

    weight: Floats
    bias: Floats
    classes: tuple[str, ...]

    def scores(self, embeddings: Floats) -> Floats:
        """Probabilities over the nine, 0 for those not taught: (…, D) to (…, 9)."""
        logits = embeddings @ self.weight.T + self.bias
        logits[..., [name not in self.classes for name in NAMES]] = -np.inf
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        scores: Floats = powers / powers.sum(axis=-1, keepdims=True)
        return scores


def fit(embeddings: Floats, labels: Texts, strength: float) -> Head:
    """Fit on embeddings of shape (clips, versions, D); every version of a clip has its label.

    Classes count the same whatever their number of clips. The standardisation is folded into the weights.
    """
    versions = embeddings.shape[1]
    rows = embeddings.reshape(-1, embeddings.shape[2]).astype(np.float64)
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-8
    model = LogisticRegression(C=strength / versions, class_weight="balanced", max_iter=2000, tol=1e-3)
    model.fit((rows - mean) / scale, np.repeat(labels, versions))
    weight, bias = np.zeros((len(NAMES), len(mean))), np.zeros(len(NAMES))
    for row, name in enumerate(model.classes_):
        weight[NAMES.index(name)] = model.coef_[row] / scale
        bias[NAMES.index(name)] = model.intercept_[row] - weight[NAMES.index(name)] @ mean
    classes = tuple(name for name in NAMES if name in model.classes_)
    return Head(weight.astype(np.float32), bias.astype(np.float32), classes)


def choose_strength(embeddings: Floats, labels: Texts, speakers: Texts) -> float:
    """The candidate with the lowest log loss on speakers left out, so that confidences mean something."""
    repeated = np.repeat(labels, embeddings.shape[1])
    losses = {}
    for strength in STRENGTHS:
        scores = leave_one_speaker_out(embeddings, labels, speakers, strength)
        losses[strength] = log_loss(scores.reshape(-1, len(NAMES)), repeated)
    return min(losses, key=lambda strength: losses[strength])


def leave_one_speaker_out(
    embeddings: Floats, labels: Texts, speakers: Texts, strength: float | None = None
) -> Floats:
    """Scores (clips, versions, 9) of each speaker's clips, by a head fitted on all the other speakers.

    Without a `strength`, each fold chooses its own among its training speakers: nothing is tuned on a test fold.
    """
    scores = np.zeros((*embeddings.shape[:2], len(NAMES)), np.float32)
    folds = list(_folds(speakers))
    for test in track(folds, description="Speakers") if strength is None else folds:
        train = embeddings[~test], labels[~test]
        head = fit(*train, choose_strength(*train, speakers[~test]) if strength is None else strength)
        scores[test] = head.scores(embeddings[test])
    return scores


def _folds(speakers: Texts) -> Iterator[NDArray[np.bool_]]:
    for speaker in np.unique(speakers):
        yield speakers == speaker


def log_loss(scores: Floats, labels: Texts) -> float:
    """Mean over the classes of the mean negative log probability of the right answer, nats."""
    right = np.array([score[NAMES.index(label)] for score, label in zip(scores, labels, strict=True)])
    losses = -np.log(np.maximum(right, 1e-9))
    return float(np.mean([losses[labels == label].mean() for label in np.unique(labels)]))


@dataclass(frozen=True)
class Measures:
    """How well scores meet labels.

    Attributes:
        classes: those that occur among the labels, in the order of the nine.
        confusion: clips of a class (rows) heard as a class (columns): (9, 9).
        confidence: mean highest score.
        loss: `log_loss`.
    """

    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    confidence: float
    loss: float

    @property
    def recalls(self) -> dict[str, float]:
        """The share of each class that was heard as such."""
        rows = {name: self.confusion[NAMES.index(name)] for name in self.classes}
        return {name: float(row[NAMES.index(name)] / row.sum()) for name, row in rows.items()}

    @property
    def unweighted(self) -> float:
        """Mean recall of the classes."""
        return float(np.mean(list(self.recalls.values())))

    @property
    def weighted(self) -> float:
        """The share of clips that were heard right."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def measure(scores: Floats, labels: Sequence[str] | Texts) -> Measures:
    """Compare scores (clips, 9) with labels."""
    confusion = np.zeros((len(NAMES), len(NAMES)), np.int64)
    for label, heard in zip(labels, scores.argmax(axis=1), strict=True):
        confusion[NAMES.index(label), heard] += 1
    classes = tuple(name for name in NAMES if name in set(labels))
    return Measures(classes, confusion, float(scores.max(axis=1).mean()), log_loss(scores, np.asarray(labels)))
