"""Training of values: from a list of rated recordings to a head that gives numbers, and the ratings to check."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from emovox.errors import LabelsError
from emovox.evaluation.groups import noun_of
from emovox.evaluation.value_metrics import rounded
from emovox.heads.dataset import embed
from emovox.heads.fitting import FitProgress
from emovox.heads.training import DOUBTS
from emovox.heads.value_fitting import RatedExamples, ValueFit, check, fit_values
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Failure, check_exists, find_group
from emovox.labels.value_list import Rated, read_values
from emovox.models.fitted import DIGEST, FittedModel
from emovox.models.head import Head, Training, check_free, check_name
from emovox.version import __version__


@dataclass(frozen=True)
class RatingDoubt:
    """A rating that may be wrong: with the recording held out, the head was far from it.

    Attributes:
        name: of the recording, as the list has it.
        value: which of its values.
        rating: as the list has it.
        prediction: of a head that hadn't seen the recording or its group.
    """

    name: str
    value: str
    rating: float
    prediction: float


@dataclass(frozen=True)
class TrainedValues:
    """A trained head of values, how it does, and what could not be used.

    Attributes:
        head: the head, not yet written to disk.
        fit: how it does.
        failures: recordings that could not be used, and why.
        doubts: ratings to check, those first that are farthest from what the head gives, by the value's spread.
    """

    head: Head
    fit: ValueFit
    failures: list[Failure]
    doubts: list[RatingDoubt]


def train_values(
    path: Path,
    name: str,
    recognizer: Recognizer,
    *,
    values: Sequence[str],
    scale: tuple[float, float],
    paths: str | None = None,
    columns: Mapping[str, str] | None = None,
    group: str | None = None,
    start: Callable[[Sequence[Rated]], None] = lambda _: None,
    begin: Callable[[str], None] = lambda _: None,
    progress: FitProgress = lambda _, __: None,
) -> TrainedValues:
    """Train a head that gives values on a list of rated recordings.

    Args:
        path: of the list, .csv, .tsv or .jsonl.
        name: of the head.
        recognizer: the model on whose embeddings the head is trained.
        values: their names; a rating may be missing where its cell is empty.
        scale: the lowest and the highest that a rating can be; the head's values are on it.
        paths: column of paths; by default one with a usual name.
        columns: of values, where it has another name.
        group: column of what is held out together, speakers for example; by default one with a usual name.
        start: is told the list, once it is known to be usable.
        begin: is told the name of each recording before its turn.
        progress: is told how many fits are done, of how many.

    Raises:
        LabelsError: the list can't be used, a rating lies outside the scale, or no head can be fitted to it.
        HeadError: the name isn't one for a head, or a readout of the model has it.
        DecoderError: as `Recognizer.recognize`.
    """
    check_name(name)
    check_free(name, recognizer.metadata)
    names = tuple(dict.fromkeys(values))
    if not (names and scale[0] < scale[1] and np.isfinite(scale).all()):
        raise LabelsError("give the name of a value, and the lowest and the highest that a rating can be")
    every = read_values(path, names, paths=paths, columns=columns)
    rows = [row for row in every if row.values]
    if absent := [value for value in names if not any(value in row.values for row in rows)]:
        raise LabelsError(f"{path}: no column {absent[0]} with a number in it")
    _check_scale(rows, names, scale, path)
    column = find_group(rows, group, path)
    check_exists(rows, path)
    check(_examples(rows, np.zeros((len(rows), 0), np.float32), names, column))
    start(rows)
    embeddings, rows, failures, sha256s = embed(rows, recognizer, begin=begin)
    examples = _examples(rows, embeddings, names, column)
    fit = fit_values(examples, progress=progress)
    training = Training(
        created_at=datetime.now(timezone.utc),
        emovox=__version__,
        method="ridge",
        own_head=False,
        penalty=fit.penalty,
        temperature=1.0,
        unit=noun_of(rows),
        clips=examples.counts,
        group=column,
        groups=None if examples.groups is None else len(set(examples.groups)),
        folds=fit.folds,
        unweighted=None,
        recalls={},
        figures={value: measures.to_dict() for value, measures in fit.measures.items()},
        figure_intervals={
            value: {figure: (rounded(low), rounded(high)) for figure, (low, high) in figures.items()}
            for value, figures in fit.intervals.items()
        },
        labels_file=os.path.abspath(path),  # noqa: PTH100  links stay as they are
        path_column=paths,
        value_columns=dict(columns or {}),
        recordings=frozenset(sha256[: 2 * DIGEST] for sha256 in sha256s),
    )
    head = Head(
        name=name,
        model=FittedModel.of(recognizer.metadata),
        values=names,
        range=scale,
        training=training,
        weights=np.asarray(fit.linear.weights, np.float32),
        bias=np.asarray(fit.linear.bias, np.float32),
    )
    return TrainedValues(head, fit, failures, doubts(fit))


def doubts(fit: ValueFit) -> list[RatingDoubt]:
    """Ratings to check: those that are twice the RMSE or more from what was predicted, at most `DOUBTS`."""
    examples = fit.held_out
    if not fit.folds:
        return []
    errors = np.abs(fit.predictions - examples.ratings)
    errors = np.nan_to_num(errors / np.sqrt(np.nanmean(errors**2, axis=0, keepdims=True) + 1e-12))
    order = np.argsort(-errors, axis=None, kind="stable")[:DOUBTS]
    return [
        RatingDoubt(
            examples.names[row],
            examples.values[column],
            float(examples.ratings[row, column]),
            float(fit.predictions[row, column]),
        )
        for row, column in zip(*(part.tolist() for part in np.unravel_index(order, errors.shape)), strict=True)
        if errors[row, column] >= 2
    ]


def _check_scale(rows: Sequence[Rated], names: Sequence[str], scale: tuple[float, float], path: Path) -> None:
    for name in names:
        ratings = [row.values[name] for row in rows if name in row.values]
        if ratings and (min(ratings) < scale[0] or max(ratings) > scale[1]):
            raise LabelsError(
                f"{path}: the ratings of {name} go from {min(ratings):g} to {max(ratings):g}, which is outside "
                f"the range {scale[0]:g} to {scale[1]:g}"
            )


def _examples(
    rows: Sequence[Rated], embeddings: np.ndarray, names: tuple[str, ...], column: str | None
) -> RatedExamples:
    ratings = [[row.values.get(name, np.nan) for name in names] for row in rows]
    return RatedExamples(
        embeddings,
        np.array(ratings, np.float64),
        names,
        # Where the group isn't known the recording is one of its own.
        None if column is None else [row.groups.get(column) or row.name for row in rows],
        [row.name for row in rows],
    )
