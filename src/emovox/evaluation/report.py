"""The report of an evaluation."""

from functools import partial

from emovox.evaluation.evaluation import Evaluation, doubts
from emovox.evaluation.html_page import Page
from emovox.evaluation.plots import draw_confusions, draw_reliability

_MOST_ROWS = 60  # of a table of groups; the JSON has all


def evaluation_report(evaluation: Evaluation, title: str) -> Page:
    """The page about an evaluation."""
    measures, model = evaluation.measures, evaluation.model
    page = Page(f"{title}: {_name(evaluation)}")
    facts = measures.to_dict()
    page.text(
        f"{facts['clips']} recordings; {model.name} {model.revision} in {model.precision}"
        + ("." if evaluation.head is None else f", head {evaluation.head.name}.")
    )
    page.text(f"Classes that competed: {', '.join(evaluation.classes)}.")
    for doubt in doubts(evaluation):
        page.text(doubt)
    page.heading("Figures")
    rows = [(words, getattr(measures, name), *_ends(evaluation, name)) for name, words in _FIGURES.items()]
    page.table(["", "", "95 % from", "to"], rows)
    page.text(f"Intervals: {evaluation.drawn}.", note=True)
    page.heading("Classes")
    totals = (measures.confusion.sum(axis=1) + measures.failed).tolist()
    recalls, f1s = evaluation.recall_intervals, evaluation.f1_intervals
    page.table(
        ["class", "recordings", "recall", "95 % from", "to", "F1", "95 % from", "to"],
        [
            (
                name,
                totals[measures.names.index(name)],
                measures.recalls[name],
                *recalls[name],
                measures.f1s[name],
                *f1s[name],
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
    page.picture(partial(draw_reliability, tables={title: facts}), "Reliability")
    for column, values in evaluation.groups.items():
        page.heading(f"By {column}")
        lines = [
            (value, group.clips, group.unweighted, group.weighted, group.macro_f1)
            for value, group in values.items()
        ]
        page.table([column, "recordings", "unweighted", "weighted", "macro F1"], lines[:_MOST_ROWS])
        if len(lines) > _MOST_ROWS:
            page.text(f"and {len(lines) - _MOST_ROWS} more, in evaluation.json", note=True)
    if evaluation.failures:
        page.heading("Not recognised")
        page.text("These count as wrong in every figure above.")
        page.table(["recording", "why"], evaluation.failures)
    if evaluation.left_out:
        page.heading("Left out")
        page.text(
            "No figure counts these: their label was mapped to nothing, or means a class that didn't compete."
        )
        page.table(["label", "recordings"], list(evaluation.left_out.items()))
    return page


_FIGURES = {
    "unweighted": "unweighted accuracy (mean recall)",
    "weighted": "weighted accuracy",
    "macro_f1": "macro F1",
}


def _name(evaluation: Evaluation) -> str:
    return evaluation.model.name if evaluation.head is None else f"the head {evaluation.head.name}"


def _ends(evaluation: Evaluation, name: str) -> tuple[float, float]:
    return evaluation.intervals[name]
