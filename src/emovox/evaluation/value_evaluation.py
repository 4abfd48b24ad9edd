"""Evaluation of values: how well numbers such as arousal agree with ratings of recordings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.errors import LabelsError
from emovox.evaluation.groups import Examples, group_columns, resampled_column, resampling
from emovox.evaluation.metrics import Interval
from emovox.evaluation.recognitions import recognitions
from emovox.evaluation.value_metrics import ValueMeasures, bootstrap_values, measure_values, rounded
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts
from emovox.inference.recognizer import Recognizer
from emovox.labels.folds import Folds, find_folds
from emovox.labels.label_list import Failure
from emovox.labels.trained_on import trained_corpora
from emovox.labels.value_list import Rated
from emovox.models.head import Head
from emovox.models.readout import Readout

Measured = Mapping[str, ValueMeasures]
Scale = tuple[float, float]


@dataclass(frozen=True)
class ValueEvaluation(Examples):
    """What values were given to rated recordings, and how well they agree.

    Attributes:
        model: the model.
        readout: the one that gives the values.
        names: the values that the list rates, K of them.
        scale: the lowest and the highest that a rating can be, if they were mapped onto the readout's range; None:
            they are on its scale already.
        rows: the recordings that were recognised.
        values: theirs, (n, K).
        labels: their ratings on the readout's scale, (n, K); NaN where the list leaves one empty.
        failures: recordings that could not be recognised, and why; no figure counts them.
        failed: the same recordings.
        unrated: how many recordings of the list have no rating; they are left out.
        measures: of all recordings, by value.
        intervals: 95 % bootstrap intervals of the figures of each value, resampled by `drawn_by`.
        drawn_by: the column of the groups that were resampled; None: recordings were.
        groups: measures by value of each column that has two or more values.
        folds: of each corpus, if the list has speakers and folds.
        head: the trained head that gives the values; None: the model's own readout does.
        trained_on: how many of the recordings the head was trained on; None: no head, or it isn't known.
    """

    model: ModelFacts
    readout: Readout
    names: tuple[str, ...]
    scale: Scale | None
    rows: Sequence[Rated]
    values: NDArray[np.float64]
    labels: NDArray[np.float64]
    failures: Sequence[Failure]
    failed: Sequence[Rated]
    unrated: int
    measures: Measured
    intervals: Mapping[str, Mapping[str, Interval]]
    drawn_by: str | None
    groups: Mapping[str, Mapping[str, Measured]]
    folds: Sequence[Folds]
    head: Head | None = None
    trained_on: int | None = None
    trained_corpora: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Of the readout; a trained head has its own."""
        return self.readout.name if self.head is None else self.head.name

    @property
    def drawn(self) -> str:
        """How the intervals were made, in words."""
        return resampling(self.drawn_by, len(self.groups.get(self.drawn_by or "", ())), self.nouns)

    @property
    def mapping(self) -> str:
        """How the ratings come to be on the readout's scale, in words."""
        if self.scale is None or self.readout.range is None:
            return "The ratings are taken as they are."
        (low, high), (least, most) = self.scale, self.readout.range
        return f"Ratings from {low:g} to {high:g} were mapped linearly to {least:g} to {most:g}."

    def to_dict(self) -> dict[str, Any]:
        """As JSON; null where a figure is undefined."""
        return {
            "schema": 1,
            "model": self.model.model_dump(mode="json"),
            "readout": self.name,
            **({} if self.head is None else {"trained_on": self.trained_on}),
            "range": self.readout.range and list(self.readout.range),
            "range_in_list": self.scale and list(self.scale),
            "clips": self.count,
            "stretches": self.stretches,
            "values": _facts(self.measures),
            "failed": [{"path": name, "reason": reason} for name, reason in self.failures],
            "unrated": self.unrated,
            "intervals": {
                "drawn_by": self.drawn_by,
                "values": {
                    name: {figure: [rounded(end) for end in ends] for figure, ends in figures.items()}
                    for name, figures in self.intervals.items()
                },
            },
            "groups": {
                column: {value: _facts(measures) for value, measures in groups.items()}
                for column, groups in self.groups.items()
            },
            "folds": [asdict(folds) for folds in self.folds],
            "trained_corpora": list(self.trained_corpora),
        }


def evaluate_values(
    rows: Sequence[Rated],
    recognizer: Recognizer,
    readout: Readout,
    *,
    source: Path,
    scale: Scale | None = None,
    group: str | None = None,
    begin: Callable[[str], None] = lambda _: None,
    speech_only: bool = False,
    head: Head | None = None,
) -> ValueEvaluation:
    """Recognise rated recordings, and compare.

    Args:
        rows: of a list, as `read_values` reads it.
        recognizer: the model.
        readout: the one of the model that gives the values.
        source: the list, for messages.
        scale: the lowest and the highest that a rating can be; ratings are mapped linearly onto the readout's
            range. None: they are on its scale already.
        group: column of the groups that are resampled for the intervals; by default the first of `GROUPS` that the
            list has.
        begin: is told the name of each recording before its turn.
        speech_only: leave silence out; recordings without speech have no values then.
        head: the trained head that gives the values, whose readout is given.

    Raises:
        LabelsError: ratings lie outside the scale; or the readout's range, to which they should be mapped, isn't
            known.
        HeadError: the head was trained on another model.
        DecoderError: as `Recognizer.recognize`.
    """
    if head is not None:
        head.check(recognizer.metadata)
    names = tuple(name for name in readout.labels if any(name in row.values for row in rows))
    rated_rows = [row for row in rows if row.values]
    _check_scale(rows, readout, scale, source)
    recognised: list[Rated] = []
    values, failures, failed, seen = [], [], [], 0
    for row, result in recognitions(rated_rows, recognizer, begin, Options(head=head, speech_only=speech_only)):
        if isinstance(result, str):
            failures.append((row.name, result))
            failed.append(row)
            continue
        numbers = result.readouts[readout.name if head is None else head.name].values or {}
        recognised.append(row)
        seen += head is not None and head.training.knows(result.recording.sha256)
        values.append([numbers[name] for name in names])
    table = np.array(values, np.float64).reshape(-1, len(names))
    ratings = [[row.values.get(name, np.nan) for name in names] for row in recognised]
    labels = _mapped(np.array(ratings, np.float64).reshape(table.shape), scale, readout.range)

    def measured(own: NDArray[np.bool_]) -> Measured:
        rated = own[:, np.newaxis] & ~np.isnan(labels)
        return {
            name: measure_values(table[chosen, number], labels[chosen, number])
            for number, (name, chosen) in enumerate(zip(names, rated.T, strict=True))
        }

    columns = group_columns([*recognised, *failed])
    groups = {}
    for column in columns:
        cells = np.array([row.groups.get(column, "") for row in recognised], dtype=object)
        groups[column] = {value or "?": measured(cells == value) for value in sorted(set(cells.tolist()))}
    drawn_by = resampled_column(columns, group, source)
    units = None if drawn_by is None else np.array([row.groups.get(drawn_by, "") for row in recognised], object)
    intervals = {}
    for number, name in enumerate(names):
        rated = ~np.isnan(labels[:, number])
        intervals[name] = bootstrap_values(
            table[rated, number], labels[rated, number], None if units is None else units[rated].tolist()
        )
    return ValueEvaluation(
        recognizer.model,
        readout,
        names,
        scale,
        recognised,
        table,
        labels,
        failures,
        failed,
        len(rows) - len(rated_rows),
        measured(np.ones(len(recognised), np.bool_)),
        intervals,
        drawn_by,
        groups,
        find_folds(rows),
        head,
        None if head is None or head.training.recordings is None else seen,
        trained_corpora(rows, recognizer.metadata.corpora),
    )


def _check_scale(rows: Sequence[Rated], readout: Readout, scale: Scale | None, source: Path) -> None:
    """Refuse ratings on another scale than is said, which no figure but Pearson's would bear."""
    if scale is not None and readout.range is None:
        raise LabelsError(
            f"the range of {readout.name}'s values isn't known, so nothing can be mapped to it: leave out --range"
        )
    limits = scale or readout.range
    if limits is None:
        return
    for name in readout.labels:
        ratings = [row.values[name] for row in rows if name in row.values]
        if ratings and (min(ratings) < limits[0] or max(ratings) > limits[1]):
            spread = f"{source}: the ratings of {name} go from {min(ratings):g} to {max(ratings):g}"
            if scale is not None:
                raise LabelsError(f"{spread}, which is outside --range {scale[0]:g},{scale[1]:g}")
            raise LabelsError(
                f"{spread}, and {readout.name} from {limits[0]:g} to {limits[1]:g}: say the lowest and "
                "the highest that a rating can be with --range LOW,HIGH, such as 1,7, and they are mapped"
            )


def _mapped(ratings: NDArray[np.float64], scale: Scale | None, target: Scale | None) -> NDArray[np.float64]:
    if scale is None or target is None:
        return ratings
    return target[0] + (ratings - scale[0]) * ((target[1] - target[0]) / (scale[1] - scale[0]))


def _facts(measures: Measured) -> dict[str, Any]:
    return {name: figures.to_dict() for name, figures in measures.items()}
