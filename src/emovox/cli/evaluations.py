"""An evaluation in the terminal, and as files."""

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from emovox import private
from emovox.cli.report import bar, counted
from emovox.errors import LabelsError
from emovox.evaluation.evaluation import Evaluation
from emovox.evaluation.tables import clips_table, confusions_table, values_table
from emovox.evaluation.value_evaluation import ValueEvaluation
from emovox.evaluation.value_metrics import FIGURES
from emovox.exports.replacement import replacing

JSON, HTML, TABLE = "evaluation.json", "report.html", "clips.csv"
HALF = 0.5  # of all clips
CONFUSIONS, PICTURE, SCATTER = "confusion.csv", "confusion.png", "scatter.png"


def show(evaluation: Evaluation | ValueEvaluation) -> None:
    """Print its figures."""
    if isinstance(evaluation, ValueEvaluation):
        _show_values(evaluation)
    else:
        _show_classes(evaluation)


def _show_values(evaluation: ValueEvaluation) -> None:
    model, count = evaluation.model, len(evaluation.rows) + len(evaluation.failed)
    things = counted(count, evaluation.noun)
    click.echo(f"{things}; {model.name} {model.revision} ({model.precision}), {evaluation.name}")
    click.echo(evaluation.mapping)
    for name in evaluation.names:
        measures = evaluation.measures[name]
        click.echo(f"{name}, {counted(measures.clips, evaluation.noun)}")
        for figure, words in FIGURES.items():
            low, high = evaluation.intervals[name][figure]
            number = getattr(measures, figure)
            shown = "undefined" if math.isnan(number) else f"{number:6.3f}  (95 %: {low:.3f} to {high:.3f})"
            click.echo(f"  {words:12} {shown}")
    click.echo(f"95 %: {evaluation.drawn}")
    if evaluation.failed:
        click.echo(f"without the {len(evaluation.failed)} that could not be recognised", err=True)
    if evaluation.unrated:
        click.echo(f"left out: {evaluation.unrated} without a rating", err=True)


def _show_classes(evaluation: Evaluation) -> None:
    measures, model = evaluation.measures, evaluation.model
    kind = "readout" if evaluation.head is None else "head"
    subject = "" if evaluation.readout is None else f", {kind} {evaluation.readout}"
    click.echo(
        f"{counted(measures.clips, evaluation.noun)}; {model.name} {model.revision} ({model.precision}){subject}"
    )
    click.echo(f"competing: {', '.join(evaluation.classes)}")
    without = evaluation.without
    if evaluation.relative is not None:
        click.echo(evaluation.relative.sentence(evaluation.nouns))
    for name, words in {
        "unweighted": "unweighted accuracy",
        "weighted": "weighted accuracy",
        "macro_f1": "macro F1",
    }.items():
        low, high = evaluation.intervals[name]
        line = f"  {words:20} {getattr(measures, name):.3f}  (95 %: {low:.3f} to {high:.3f})"
        if without is not None:
            low, high = without.intervals[name]
            line += f"   without {getattr(without.measures, name):.3f}  ({low:.3f} to {high:.3f})"
        click.echo(line)
    line = f"  {'calibration error':20} {measures.calibration_error:.3f}  (confidence {measures.confidence:.3f})"
    if without is not None:
        raw = without.measures
        line += f"{'':9}without {raw.calibration_error:.3f}  (confidence {raw.confidence:.3f})"
    click.echo(line)
    half = next((part for part in measures.coverage if part.share >= HALF), None)
    if half is not None:
        share = f"surest {100 * half.share:.0f} %"
        click.echo(f"  {share:20} {half.accuracy:.3f} right  (confidence from {half.confidence:.3f})")
    totals = (measures.confusion.sum(axis=1) + measures.failed).tolist()
    width = max(cell_len(name) for name in measures.classes)
    click.echo(f"  {'':{width}}          recall                 F1")
    for name in measures.classes:
        recall, count = measures.recalls[name], totals[measures.names.index(name)]
        (low, high), (least, most) = evaluation.recall_intervals[name], evaluation.f1_intervals[name]
        figures = (
            f"{100 * recall:5.1f} %  ({100 * low:3.0f} to {100 * high:3.0f})   "
            f"{measures.f1s[name]:.3f}  ({least:.3f} to {most:.3f})"
        )
        if without is not None:
            raw = without.measures
            figures += f"   without {100 * raw.recalls[name]:5.1f} %  {raw.f1s[name]:.3f}"
        click.echo(f"  {set_cell_size(name, width)}  {count:6}  {figures}  {bar(recall)}".rstrip())
    click.echo(f"95 %: {evaluation.drawn}")
    if evaluation.left_out:
        labels = ", ".join(f"{label} ({count})" for label, count in evaluation.left_out.items())
        click.echo(f"left out: {labels}", err=True)


def write(evaluation: Evaluation | ValueEvaluation, out: Path, title: str, language: str) -> None:
    """Write its files to a directory, which is made where it isn't there; the picture is in this language.

    Raises:
        LabelsError: the directory can't be made.
        OutputsError: a file can't be written.
    """
    from emovox.evaluation import plots, report  # noqa: PLC0415  they need matplotlib

    picture = io.BytesIO()
    if isinstance(evaluation, ValueEvaluation):
        values, limits = (evaluation.values, evaluation.labels, evaluation.names), evaluation.readout.range
        plots.draw_values(picture, *values, limits=limits, language=language)
        page = report.values_report(evaluation, title)
        files = {TABLE: values_table(evaluation).encode(), SCATTER: picture.getvalue()}
    else:
        measures = evaluation.measures
        plots.draw_confusions(picture, {title: measures.to_dict()}, names=measures.names, language=language)
        page = report.evaluation_report(evaluation, title)
        tables = {TABLE: clips_table(evaluation).encode(), CONFUSIONS: confusions_table(evaluation).encode()}
        files = {**tables, PICTURE: picture.getvalue()}
    _save(out, {JSON: _json(evaluation.to_dict()), HTML: page.html().encode(), **files})


def _json(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode()


def _save(out: Path, files: Mapping[str, bytes]) -> None:
    try:
        private.make_directory(out)
    except OSError as error:
        raise LabelsError(f"{out}: can't be made: {error.strerror or error}") from error
    for name, content in files.items():
        with replacing(out / name) as file:
            file.write(content)
    click.echo(f"written: {', '.join(str(out / name) for name in files)}", err=True)
