"""The report of an evaluation."""

from collections.abc import Sequence
from functools import partial
from math import isnan

from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import Evaluation
from emovox.evaluation.html_page import Page
from emovox.evaluation.plots import draw_confusions, draw_coverage, draw_reliability, draw_values
from emovox.evaluation.value_evaluation import ValueEvaluation
from emovox.evaluation.value_metrics import FIGURES

_MOST_ROWS = 60  # of a table of groups; the JSON has all


def evaluation_report(evaluation: Evaluation, title: str) -> Page:
    """The page about an evaluation."""
    measures, model = evaluation.measures, evaluation.model
    page = Page(f"{title}: {_name(evaluation)}")
    facts = measures.to_dict()
    page.text(
        f"{facts['clips']} {evaluation.nouns}; {model.name} {model.revision} in {model.precision}"
        f"{_subject(evaluation)}."
    )
    page.text(f"Classes that competed: {', '.join(evaluation.classes)}.")
    if evaluation.relative is not None:
        page.text(evaluation.relative.sentence(evaluation.nouns))
    for doubt in doubts(evaluation):
        page.text(doubt)
    page.heading("Figures")
    without = evaluation.without
    sides = [evaluation] if without is None else [evaluation, without]
    page.table(
        ["", "", "95 % from", "to"] + ([] if without is None else ["without", "95 % from", "to"]),
        [
            (words, *(cell for side in sides for cell in (getattr(side.measures, name), *_ends(side, name))))
            for name, words in _FIGURES.items()
        ],
    )
    page.text(f"Intervals: {evaluation.drawn}.", note=True)
    page.heading("Classes")
    totals = (measures.confusion.sum(axis=1) + measures.failed).tolist()
    recalls, f1s = evaluation.recall_intervals, evaluation.f1_intervals
    page.table(
        ["class", evaluation.nouns, "recall", "95 % from", "to", "F1", "95 % from", "to"]
        + ([] if without is None else ["recall without", "F1 without"]),
        [
            (
                name,
                totals[measures.names.index(name)],
                measures.recalls[name],
                *recalls[name],
                measures.f1s[name],
                *f1s[name],
                *([] if without is None else [without.measures.recalls[name], without.measures.f1s[name]]),
            )
            for name in measures.classes
        ],
    )
    draw = partial(draw_confusions, tables={title: facts}, names=measures.names)
    page.picture(draw, "Confusion matrix")
    page.heading("Calibration")
    page.text(
        f"Expected calibration error {measures.calibration_error:.3f}, mean confidence {measures.confidence:.3f}."
    )
    if without is not None:
        raw = without.measures
        page.text(
            f"Without the baseline: expected calibration error {raw.calibration_error:.3f}, mean confidence "
            f"{raw.confidence:.3f}."
        )
    page.picture(partial(draw_reliability, tables={title: facts}), "Reliability")
    page.heading("Coverage")
    page.text(f"How many are right if only the surest {evaluation.nouns} are judged, and how sure those are.")
    page.table(
        [evaluation.nouns, "confidence from", "right"],
        [(f"{100 * part.share:.0f} %", part.confidence, part.accuracy) for part in measures.coverage],
    )
    covered = {title: facts} if without is None else {title: facts, "without": without.measures.to_dict()}
    page.picture(partial(draw_coverage, tables=covered), "Accuracy over coverage")
    for column, values in evaluation.groups.items():
        page.heading(f"By {column}")
        lines = [
            (value, group.clips, group.unweighted, group.weighted, group.macro_f1)
            for value, group in values.items()
        ]
        _group_table(page, [column, evaluation.nouns, "unweighted", "weighted", "macro F1"], lines)
    if evaluation.failures:
        page.heading("Not recognised")
        page.text("These count as wrong in every figure above.")
        page.table([evaluation.noun, "why"], evaluation.failures)
    if evaluation.left_out:
        page.heading("Left out")
        page.text(
            "No figure counts these: their label was mapped to nothing, or means a class that didn't compete."
        )
        page.table(["label", evaluation.nouns], list(evaluation.left_out.items()))
    return page


def values_report(evaluation: ValueEvaluation, title: str) -> Page:
    """The page about an evaluation of values."""
    model, head, measures = evaluation.model, evaluation.head, evaluation.measures
    page = Page(f"{title}: {model.name if head is None else f'the head {head.name}'}")
    page.text(
        f"{len(evaluation.rows) + len(evaluation.failed)} {evaluation.nouns}; {model.name} {model.revision} in "
        f"{model.precision}, {evaluation.name}."
    )
    page.text(evaluation.mapping)
    for doubt in doubts(evaluation):
        page.text(doubt)
    page.heading("Figures")
    page.table(
        ["", "figure", "", "95 % from", "to"],
        [
            (name, words, *map(_number, (getattr(measures[name], figure), *evaluation.intervals[name][figure])))
            for name in evaluation.names
            for figure, words in FIGURES.items()
        ],
    )
    page.table(["", evaluation.nouns], [(name, measures[name].clips) for name in evaluation.names])
    page.text(f"Intervals: {evaluation.drawn}.", note=True)
    draw = partial(
        draw_values,
        values=evaluation.values,
        labels=evaluation.labels,
        titles=evaluation.names,
        limits=evaluation.readout.range,
    )
    page.picture(draw, "Values over ratings")
    for column, groups in evaluation.groups.items():
        page.heading(f"By {column}")
        lines = [
            (value, name, figures.clips, *(_number(getattr(figures, figure)) for figure in FIGURES))
            for value, by_name in groups.items()
            for name, figures in by_name.items()
        ]
        _group_table(page, [column, "", evaluation.nouns, *FIGURES.values()], lines)
    if evaluation.failures:
        page.heading("Not recognised")
        page.text("No figure counts these: a value that isn't there can't be compared.")
        page.table([evaluation.noun, "why"], evaluation.failures)
    if evaluation.unrated:
        page.text(f"Left out, as they have no rating: {evaluation.unrated}.")
    return page


def _group_table(page: Page, head: Sequence[str], lines: Sequence[Sequence[str | float | int]]) -> None:
    page.table(head, lines[:_MOST_ROWS])
    if len(lines) > _MOST_ROWS:
        page.text(f"and {len(lines) - _MOST_ROWS} more, in evaluation.json", note=True)


def _number(figure: float) -> float | str:
    """For a table: a figure that is undefined is a dash."""
    return "–" if isnan(figure) else figure


_FIGURES = {
    "unweighted": "unweighted accuracy (mean recall)",
    "weighted": "weighted accuracy",
    "macro_f1": "macro F1",
}


def _name(evaluation: Evaluation) -> str:
    return evaluation.model.name if evaluation.head is None else f"the head {evaluation.head.name}"


def _subject(evaluation: Evaluation) -> str:
    """The head or readout, where it isn't the nine emotions that were evaluated."""
    if evaluation.readout is None:
        return ""
    return f", {'readout' if evaluation.head is None else 'head'} {evaluation.readout}"


def _ends(evaluation: Evaluation, name: str) -> tuple[float, float]:
    return evaluation.intervals[name]
