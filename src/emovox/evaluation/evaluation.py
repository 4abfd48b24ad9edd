"""Evaluation: how well a model, or a head, does on labelled recordings."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.baseline import SPEAKER, Baseline
from emovox.emotions import NAMES
from emovox.errors import LabelsError, OptionsError
from emovox.evaluation.groups import Examples, group_columns, resampled_column, resampling
from emovox.evaluation.metrics import Interval, Measures, bootstrap, by_group, measure
from emovox.evaluation.recognitions import recognitions, relative_recognitions
from emovox.evaluation.relative import Relative, check_movable, speaker_column
from emovox.inference.options import Options
from emovox.inference.raw import raw
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.labels.aliases import to_classes
from emovox.labels.folds import Folds, find_folds
from emovox.labels.label_list import Failure, Labelled
from emovox.labels.trained_on import trained_corpora
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout
from emovox.models.scores import to_scores

Competing = Literal["shared", "all"]


@dataclass(frozen=True)
class Evaluation(Examples):
    """What was recognised in labelled recordings, and how well.

    Attributes:
        model: the model.
        head: the head that was evaluated; None: the model's own.
        readout: the name of the readout that was evaluated in classes of its own, which a head is, too; None: the
            nine emotions.
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
        trained_corpora: which corpora the recordings seem to be of that the model says it was trained on.
        relative: the baseline that scores and figures are relative to; None: there is none.
        without: the same evaluation without it.
    """

    model: ModelFacts
    head: Head | None
    readout: str | None
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
    trained_corpora: Sequence[str] = ()
    relative: Relative | None = None
    without: "Evaluation | None" = None

    @property
    def drawn(self) -> str:
        """How the intervals were made, in words."""
        return resampling(self.drawn_by, len(self.groups.get(self.drawn_by or "", ())), self.nouns)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        head = self.head
        return {
            "schema": 1,
            "model": self.model.model_dump(mode="json"),
            "head": None
            if head is None
            else {"name": head.name, "created_at": head.training.created_at.isoformat()},
            "readout": self.readout,
            "names": list(self.names),
            "competing": list(self.classes),
            **self.measures.to_dict(),
            "stretches": self.stretches,
            "failed": [{"path": name, "reason": reason} for name, reason in self.failures],
            "left_out": dict(self.left_out),
            "intervals": self._ends(),
            "groups": {column: by_group(values) for column, values in self.groups.items()},
            "folds": [asdict(folds) for folds in self.folds],
            "trained_on": self.trained_on,
            "trained_corpora": list(self.trained_corpora),
            **({} if self.relative is None else {"baseline": self.relative.to_dict()}),
            **(
                {}
                if self.without is None
                else {"without": {**self.without.measures.to_dict(), "intervals": self.without._ends()}}
            ),
        }

    def _ends(self) -> dict[str, Any]:
        return {
            "drawn_by": self.drawn_by,
            **{name: list(ends) for name, ends in self.intervals.items()},
            "recalls": {name: list(ends) for name, ends in self.recall_intervals.items()},
            "f1s": {name: list(ends) for name, ends in self.f1_intervals.items()},
        }


def evaluate(
    rows: Sequence[Labelled],
    recognizer: Recognizer,
    *,
    source: Path,
    labels_map: Mapping[str, str] | None = None,
    competing: Competing = "shared",
    head: Head | None = None,
    readout: Readout | None = None,
    group: str | None = None,
    begin: Callable[[str], None] = lambda _: None,
    speech_only: bool = False,
    baseline: Baseline | Literal["self", "corpus", "speaker"] | None = None,
    expect: Mapping[str, float] | None = None,
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
        readout: the readout of the model to evaluate in classes of its own; None: what `readout_to_evaluate`
            chooses, which is the nine emotions where the model gives them.
        group: column of the groups that are resampled for the intervals; by default the first of `GROUPS` that the
            list has.
        begin: is told the name of each recording before its turn.
        speech_only: leave silence out of the verdicts; recordings without speech have none, and count as wrong.
        baseline: what scores are relative to: one that was fitted; `corpus`: all recordings of the list, those
            that are left out too; `speaker`: those of each speaker, by its column of that name. Neither looks at
            labels.
        expect: as `Options` has it.

    Raises:
        LabelsError: a label means no class, or there is nothing to compare.
        HeadError: the head was trained on another model.
        OptionsError: the model doesn't give the nine, and no readout is named; or the readout's classes don't
            exclude each other.
        BaselineError: nothing that is evaluated here can be moved.
        DecoderError: as `Recognizer.recognize`.
    """
    if head is not None:
        head.check(recognizer.metadata)
        readout = head.readout
    elif readout is None:
        readout = readout_to_evaluate(recognizer.metadata)
    check_movable(baseline, recognizer.metadata, readout, head)
    if readout is not None and readout.gives_values:
        raise OptionsError(f"{readout.name} gives values, and no classes: evaluate_values compares them")
    name = head.name if head is not None else None if readout is None else readout.name
    names = NAMES if readout is None else readout.labels
    known: Collection[str] = recognizer.metadata.classes if readout is None else names
    emotions = {} if readout is None else readout.emotions
    meaning = to_classes([row.label for row in rows], names, labels_map or {}, source, emotions)
    labelled, left_out, classes = who_competes(rows, meaning, names, known, competing, source)
    options = Options(
        head=head,
        speech_only=speech_only,
        emotions=classes if head is None and readout is None else None,
        baseline=baseline,
        expect=expect,
    )
    results, relative = _recognised(rows, labelled, recognizer, begin, options, source)
    recognised = [row for row, result in results if not isinstance(result, str)]
    failed = [row for row, result in results if isinstance(result, str)]
    failures = [(row.name, result) for row, result in results if isinstance(result, str)]
    answers = [result for _, result in results if not isinstance(result, str)]

    knows = None if head is None or head.training.recordings is None else head.training.knows

    def evaluated(answers: Sequence[Recognition]) -> Evaluation:
        return compared(
            recognised,
            np.array([_scores(result, name, classes) for result in answers]).reshape(-1, len(names)),
            failed,
            failures,
            group=group,
            source=source,
            model=recognizer.model,
            head=head,
            readout=name,
            names=tuple(names),
            classes=classes,
            left_out=left_out,
            folds=find_folds(rows),
            trained_on=None if knows is None else sum(knows(result.recording.sha256) for result in answers),
            trained_corpora=trained_corpora(rows, recognizer.metadata.corpora),
        )

    evaluation = evaluated(answers)
    if relative is None:
        return evaluation
    return replace(evaluation, relative=relative, without=evaluated([raw(result) for result in answers]))


def compared(
    rows: Sequence[Labelled],
    scores: NDArray[np.float64],
    failed: Sequence[Labelled],
    failures: Sequence[Failure],
    *,
    group: str | None,
    source: Path,
    names: tuple[str, ...],
    **facts: Any,
) -> Evaluation:
    """The evaluation of scores (n, names) that are there already; all else as of `Evaluation` and `evaluate`."""
    measures = measure(scores, [row.label for row in rows], names=names, failed=[row.label for row in failed])
    groups = {column: _by_value(column, rows, scores, failed, names) for column in group_columns([*rows, *failed])}
    drawn_by = resampled_column(groups, group, source)
    intervals = bootstrap(measures, [] if drawn_by is None else list(groups[drawn_by].values()))
    return Evaluation(
        names=names,
        rows=rows,
        scores=scores,
        failures=failures,
        failed=failed,
        measures=measures,
        intervals=intervals.whole,
        recall_intervals=intervals.recalls,
        f1_intervals=intervals.f1s,
        drawn_by=drawn_by,
        groups=groups,
        **facts,
    )


def who_competes(
    rows: Sequence[Labelled],
    meaning: Mapping[str, str | None],
    names: Sequence[str],
    known: Collection[str],
    competing: Competing,
    source: Path,
) -> tuple[list[Labelled], dict[str, int], tuple[str, ...]]:
    """Rows with their class as label, how many of each label are left out, and the classes that compete.

    Raises:
        LabelsError: there is nothing to compare.
    """
    labelled, left_out = _with_classes(rows, meaning, known if competing == "shared" else names)
    if not labelled:
        raise LabelsError(f"{source}: every recording is left out, with the labels {', '.join(left_out)}")
    labels = {row.label for row in labelled}
    classes = tuple(name for name in names if name in known and (competing == "all" or name in labels))
    if len(classes) < 2:
        raise LabelsError(
            f"{source}: only one class competes ({', '.join(classes)}) and is always right; use --classes all"
        )
    return labelled, left_out, classes


def _recognised(
    rows: Sequence[Labelled],
    labelled: Sequence[Labelled],
    recognizer: Recognizer,
    begin: Callable[[str], None],
    options: Options,
    source: Path,
) -> tuple[list[tuple[Labelled, Recognition | str]], Relative | None]:
    """The recognitions of the labelled rows, and what they are relative to; a baseline is made of all rows."""
    if not options.of_many:
        recognizer.shift(options)  # a baseline that doesn't fit is refused now, and not in each recording
        results = list(recognitions(labelled, recognizer, begin, options))
        facts = next((item.baseline for _, item in results if isinstance(item, Recognition)), None)
        return results, None if facts is None else Relative.of(facts)
    column = speaker_column(rows, source) if options.baseline == SPEAKER else None
    by_name = {row.name: row for row in labelled}

    def speaker(row: Labelled) -> str:
        return "" if column is None else row.groups.get(column, "")

    moved, baselines = relative_recognitions(rows, recognizer, begin, options, speaker)
    shares = recognizer.shifting(options)(baselines.whole).expectation
    results = [(by_name[row.name], result) for row, result in moved if row.name in by_name]
    return results, Relative.of_corpus(baselines, shares, by_speaker=column is not None)


def readout_to_evaluate(metadata: Metadata, name: str | None = None) -> Readout | None:
    """The readout of that name; by default the nine emotions, or else the only readout. None: the nine.

    Raises:
        OptionsError: there is none of that name, there are several to choose among, or several of its classes can
            be true at once.
        LabelsError: the model has no readout.
    """
    if not metadata.readouts:
        raise LabelsError(f"the model {metadata.name} gives only embeddings: evaluate a head on it with --head")
    by_name = {readout.name: readout for readout in metadata.readouts}
    if name is None and metadata.classes:
        return None
    if (name is None and len(by_name) > 1) or (name is not None and name not in by_name):
        others = "" if name is None else f" and no {name!r}"
        raise OptionsError(
            f"the model {metadata.name} has the readouts {', '.join(by_name)}{others}: choose one with --readout"
        )
    readout = metadata.readouts[0] if name is None else by_name[name]
    if readout.activation == "sigmoid":
        raise OptionsError(
            f"{readout.name}: several of its classes ({', '.join(readout.labels)}) can be true at once, and "
            "a list has one label for each recording: that can't be compared"
        )
    return None if readout.is_nine else readout


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


def _scores(result: Recognition, readout: str | None, classes: Sequence[str]) -> NDArray[np.float64]:
    """The scores (names,) among the classes that compete, of the nine or of a readout."""
    if readout is None:
        return np.array([(result.scores or {})[name] for name in NAMES])
    scores = result.readouts[readout].scores or {}
    return to_scores(np.log(np.maximum(list(scores.values()), 1e-300)), classes, tuple(scores))


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
        indices = np.flatnonzero(values == value).tolist()
        labels = [recognised[number].label for number in indices]
        failed_labels = [row.label for row in failed if row.groups.get(column, "") == value]
        measures[value or "?"] = measure(scores[indices], labels, names=names, failed=failed_labels)
    return measures
