"""`emovox evaluate`."""

import io
import json
import os
from pathlib import Path

import click
from rich.cells import cell_len, set_cell_size

from emovox import private
from emovox.cli import parameters
from emovox.cli.progress import Progress
from emovox.cli.report import bar, printable
from emovox.errors import LabelsError
from emovox.evaluation import evaluation as evaluations
from emovox.evaluation.evaluation import Competing, Evaluation, doubts
from emovox.exports.replacement import replacing
from emovox.inference.recognizer import Recognizer
from emovox.labels.corpora import AGREED, LAYOUTS, SHAPES, read_layout
from emovox.labels.label_list import Labelled, read_labels
from emovox.models.head import Head
from emovox.models.loading import Wanted
from emovox.settings import settings
from emovox.spreadsheets import writer

JSON, HTML, TABLE = "evaluation.json", "report.html", "clips.csv"
CONFUSIONS, PICTURE = "confusion.csv", "confusion.png"
_OF_LIST = "_in_list"  # is added to the name of a list's column if the table has one of that name


def _labels_map(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str]:
    """LABEL=CLASS separated by commas, or a JSON file with an object of them."""
    if value is None:
        return {}
    if "=" not in value:
        try:
            content = json.loads(Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise click.BadParameter(
                f"neither LABEL=CLASS nor a JSON file: {error}", context, parameter
            ) from error
        if not isinstance(content, dict) or not all(isinstance(word, str | None) for word in content.values()):
            raise click.BadParameter("the file must hold one object of strings", context, parameter)
        return {label: word or "" for label, word in content.items()}
    pairs = [part.partition("=") for part in value.split(",")]
    return {label.strip(): word.strip() for label, _, word in pairs}


@click.command(no_args_is_help=True)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    help="MANIFEST is the directory of this corpus, read by the names of its files: "
    + "; ".join(f"{name} ({shape})" for name, shape in SHAPES.items())
    + ".",
)
@click.option("--path-column", metavar="COLUMN", help="The column of recordings.  [default: path, file, …]")
@click.option("--label-column", metavar="COLUMN", help="The column of labels.  [default: label, emotion, …]")
@click.option(
    "--labels-map",
    callback=_labels_map,
    metavar="LABEL=CLASS,…|FILE",
    help="What labels mean if the words alone don't say it; LABEL= leaves a label out. Or a JSON file.",
)
@click.option(
    "--classes",
    "competing",
    type=click.Choice(["shared", "all"]),
    default="shared",
    show_default=True,
    help="Which classes compete: those of the labels that the model has, or all that it has.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="The column of groups that are resampled for the intervals.  [default: speaker, group, …]",
)
@click.option("--head", metavar="NAME|PATH", help="Evaluate this head of yours instead of the model's own.")
@click.option("--speech-only", is_flag=True, help="Leave silence out of the verdicts.")
@parameters.model(f"{parameters.MODEL}  [default: auto, the best one on disk]")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
    default="auto",
    show_default=True,
    help="Of the arithmetic.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Write {JSON}, {HTML} with pictures, {TABLE} with every recording's scores, {CONFUSIONS} and {PICTURE} "
    "there.",
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help=f"Language of {PICTURE}.  [default: en]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="What to print.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def evaluate(
    manifest: Path,
    layout: str | None,
    path_column: str | None,
    label_column: str | None,
    labels_map: dict[str, str],
    competing: Competing,
    group: str | None,
    head: str | None,
    speech_only: bool,
    model: str | None,
    mapping: Path | None,
    precision: Wanted,
    out: Path | None,
    labels: str | None,
    form: str,
    quiet: bool,
) -> int:
    """Measure a model on recordings whose emotions are known.

    MANIFEST is a CSV, TSV or JSON lines file with a recording and its label in each row, paths relative to it;
    further columns (speaker, language, gender…) give figures by group. Labels in English, Chinese or German are
    understood: anger, 愤怒, Wut. A recording that can't be recognised is listed, and counts as wrong.

    \b
    emovox evaluate calls.csv --out calls_evaluation
    emovox evaluate labels.tsv --labels-map 'pissed=angry,laughter=' --classes all
    emovox evaluate EmoDB/wav --layout emodb --model emotion2vec_plus_large
    emovox evaluate EmoBox/data/iemocap/fold_1 --layout emobox --format json
    emovox evaluate calls.csv --head calls

    Exit code: 0 all well, 1 some recordings or directories could not be read, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    if out is not None:
        from emovox.evaluation.html_page import need_pictures  # noqa: PLC0415  an extra

        need_pictures()
    unreadable: list[tuple[Path, str]] = []
    if layout is not None:
        rows = read_layout(layout, manifest, failed=lambda path, reason: unreadable.append((path, reason)))
    elif os.path.isdir(manifest):  # noqa: PTH112  what is too deep raises no error here
        raise LabelsError(f"{manifest} is a directory: give its layout with --layout {'|'.join(LAYOUTS)}")
    else:
        rows = read_labels(manifest, paths=path_column, labels=label_column)
    own_head = None if head is None else Head.find(head)
    recognizer = Recognizer(
        model,
        precision=precision,
        mapping=mapping,
        notice=lambda line: None if quiet else click.echo(line, err=True),
        isolate=True,
    )
    with Progress(len(rows), shown=not quiet) as progress:
        started = False

        def begin(name: str) -> None:
            nonlocal started
            if started:
                progress.end()
            started = True
            progress.begin(printable(name))

        result = evaluations.evaluate(
            rows,
            recognizer,
            source=manifest,
            labels_map={**AGREED.get(layout or "", {}), **labels_map},
            competing=competing,
            head=own_head,
            group=group,
            begin=begin,
            speech_only=speech_only,
        )
    if form == "json":
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    else:
        _print(result)
    for doubt in doubts(result):
        click.echo(f"Warning: {printable(doubt)}", err=True)
    for name, reason in [*((str(path), reason) for path, reason in unreadable), *result.failures]:
        click.echo(f"Error: {printable(name)}: {printable(reason)}", err=True)
    if out is not None:
        _write(result, out, manifest.absolute().stem, labels or settings().labels)
        files = (JSON, HTML, TABLE, CONFUSIONS, PICTURE)
        click.echo(f"written: {', '.join(str(out / name) for name in files)}", err=True)
    return 1 if result.failures or unreadable else 0


def _print(evaluation: Evaluation) -> None:
    measures, model = evaluation.measures, evaluation.model
    head = "" if evaluation.head is None else f", head {evaluation.head.name}"
    click.echo(f"{measures.clips} recordings; {model.name} {model.revision} ({model.precision}){head}")
    click.echo(f"competing: {', '.join(evaluation.classes)}")
    for name, words in {
        "unweighted": "unweighted accuracy",
        "weighted": "weighted accuracy",
        "macro_f1": "macro F1",
    }.items():
        low, high = evaluation.intervals[name]
        click.echo(f"  {words:20} {getattr(measures, name):.3f}  (95 %: {low:.3f} to {high:.3f})")
    click.echo(
        f"  {'calibration error':20} {measures.calibration_error:.3f}  (confidence {measures.confidence:.3f})"
    )
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
        click.echo(f"  {set_cell_size(name, width)}  {count:6}  {figures}  {bar(recall)}".rstrip())
    click.echo(f"95 %: {evaluation.drawn}")
    if evaluation.left_out:
        labels = ", ".join(f"{label} ({count})" for label, count in evaluation.left_out.items())
        click.echo(f"left out: {labels}", err=True)


def _write(evaluation: Evaluation, out: Path, title: str, language: str) -> None:
    from emovox.evaluation.plots import draw_confusions  # noqa: PLC0415
    from emovox.evaluation.report import evaluation_report  # noqa: PLC0415  needs matplotlib

    try:
        private.make_directory(out)
    except OSError as error:
        raise LabelsError(f"{out}: can't be made: {error.strerror or error}") from error
    with replacing(out / JSON) as file:
        file.write((json.dumps(evaluation.to_dict(), ensure_ascii=False, indent=1) + "\n").encode())
    with replacing(out / TABLE) as file:
        file.write(_table(evaluation).encode())
    with replacing(out / CONFUSIONS) as file:
        file.write(_confusions(evaluation).encode())
    picture, measures = io.BytesIO(), evaluation.measures
    draw_confusions(picture, {title: measures.to_dict()}, names=measures.names, language=language)
    with replacing(out / PICTURE) as file:
        file.write(picture.getvalue())
    evaluation_report(evaluation, title).write(out / HTML)


def _table(evaluation: Evaluation) -> str:
    """A line for each recording: class, verdict, scores, or why there are none; and the list's own columns."""
    text = io.StringIO()
    write = writer(text)
    ours = ["path", "label", "heard", "confidence", *evaluation.names, "failure", f"label{_OF_LIST}"]
    theirs = list(dict.fromkeys(name for row in [*evaluation.rows, *evaluation.failed] for name in row.groups))
    write([*ours, *(f"{name}{_OF_LIST}" if name in ours else name for name in theirs)])

    def own(row: Labelled) -> list[str]:
        return [row.original or row.label, *(row.groups.get(name, "") for name in theirs)]

    for row, scores in zip(evaluation.rows, evaluation.scores, strict=True):
        best = int(scores.argmax())
        numbers = [f"{score:.6f}" for score in scores]
        write([row.name, row.label, evaluation.names[best], numbers[best], *numbers, "", *own(row)])
    for row, (_, reason) in zip(evaluation.failed, evaluation.failures, strict=True):
        write([row.name, row.label, "", "", *[""] * len(evaluation.names), reason, *own(row)])
    return text.getvalue()


def _confusions(evaluation: Evaluation) -> str:
    """A line for each class: how many of its recordings were recognised as each class, and how many not at all."""
    text, measures = io.StringIO(), evaluation.measures
    write = writer(text)
    names = {*evaluation.classes, *measures.classes}
    columns = [index for index, name in enumerate(measures.names) if name in names]
    write(["label", *(measures.names[index] for index in columns), "not heard"])
    for name in measures.classes:
        row = measures.names.index(name)
        write([name, *measures.confusion[row, columns].tolist(), int(measures.failed[row])])
    return text.getvalue()
