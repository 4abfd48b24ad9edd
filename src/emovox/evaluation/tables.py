"""Tables of an evaluation as CSV: a line for each recording, and the confusion matrix."""

import io
from collections.abc import Sequence
from itertools import chain
from math import isnan

from emovox.evaluation.evaluation import Evaluation
from emovox.evaluation.value_evaluation import ValueEvaluation
from emovox.inference.raw import WITHOUT
from emovox.labels.label_list import Labelled
from emovox.labels.value_list import Rated
from emovox.spreadsheets import writer

_OF_LIST = "_in_list"  # is added to the name of a list's column if the table has one of that name


def clips_table(evaluation: Evaluation) -> str:
    """A line for each recording: class, verdict, scores, or why there are none; and the list's own columns."""
    text = io.StringIO()
    write = writer(text)
    verdict = ["prediction", "confidence", *evaluation.names]
    columns = ["path", "label", *verdict, "failure", f"label{_OF_LIST}"]
    sides = [evaluation.scores]
    if evaluation.without is not None:
        sides.append(evaluation.without.scores)
        columns += [f"{name}{WITHOUT}" for name in verdict]
    theirs = _columns([*evaluation.rows, *evaluation.failed])
    write([*columns, *_names(theirs, columns)])

    def of_list(row: Labelled) -> list[str]:
        return [row.groups.get(name, "") for name in theirs]

    for row, *scores in zip(evaluation.rows, *sides, strict=True):
        cells, *raw = ([evaluation.names[int(one.argmax())], *_texts(one.max(), *one)] for one in scores)
        write([row.name, row.label, *cells, "", row.original or row.label, *chain(*raw), *of_list(row)])
    for row, (_, reason) in zip(evaluation.failed, evaluation.failures, strict=True):
        empty = [""] * len(verdict)
        rest = [*empty * (len(sides) - 1), *of_list(row)]
        write([row.name, row.label, *empty, reason, row.original or row.label, *rest])
    return text.getvalue()


def _texts(*scores: float) -> list[str]:
    return [f"{score:.6f}" for score in scores]


def values_table(evaluation: ValueEvaluation) -> str:
    """A line for each recording: ratings, values, or why there are none; and the list's own columns."""
    text = io.StringIO()
    write = writer(text)
    names = evaluation.names
    columns = ["path", *names, *(f"{evaluation.name}.{name}" for name in names), "failure"]
    columns += [f"{name}{_OF_LIST}" for name in names]
    theirs = _columns([*evaluation.rows, *evaluation.failed])
    write([*columns, *_names(theirs, columns)])

    def given(row: Rated) -> list[str]:
        ratings = [f"{row.values[name]:g}" if name in row.values else "" for name in names]
        return [*ratings, *(row.groups.get(name, "") for name in theirs)]

    for row, values, labels in zip(evaluation.rows, evaluation.values, evaluation.labels, strict=True):
        ratings = ["" if isnan(label) else f"{label:.6f}" for label in labels]
        write([row.name, *ratings, *(f"{value:.6f}" for value in values), "", *given(row)])
    for row, (_, reason) in zip(evaluation.failed, evaluation.failures, strict=True):
        write([row.name, *[""] * (2 * len(names)), reason, *given(row)])
    return text.getvalue()


def confusions_table(evaluation: Evaluation) -> str:
    """A line for each class: how many of its recordings were recognised as each class, and how many not at all."""
    text, measures = io.StringIO(), evaluation.measures
    write = writer(text)
    names = {*evaluation.classes, *measures.classes}
    columns = [index for index, name in enumerate(measures.names) if name in names]
    write(["label", *(measures.names[index] for index in columns), "not recognised"])
    for name in measures.classes:
        row = measures.names.index(name)
        write([name, *measures.confusion[row, columns].tolist(), int(measures.failed[row])])
    return text.getvalue()


def _columns(rows: Sequence[Labelled | Rated]) -> list[str]:
    """The list's own columns."""
    return list(dict.fromkeys(name for row in rows for name in row.groups))


def _names(theirs: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Names of the list's columns that none of the table's has."""
    return [f"{name}{_OF_LIST}" if name in columns else name for name in theirs]
