"""`emovox evaluate`."""

import io
import json
import os
from pathlib import Path

import click

from emovox import private
from emovox.cli.progress import Progress
from emovox.cli.report import bar, printable
from emovox.errors import LabelsError
from emovox.exports.replacement import replacing
from emovox.library.evaluation import Competing, Evaluation
from emovox.library.evaluation import evaluate as hear
from emovox.library.labels import read_labels
from emovox.library.layouts import AGREED, LAYOUTS, SHAPES, read_layout
from emovox.models.head import Head
from emovox.models.loading import Wanted
from emovox.recognition.recognizer import Recognizer
from emovox.spreadsheets import writer

JSON, HTML, TABLE = "evaluation.json", "report.html", "clips.csv"


def _labels_map(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, str]:
    """LABEL=CLASS between commas, or a file of JSON with an object of them."""
    if value is None:
        return {}
    if "=" not in value:
        try:
            found = json.loads(Path(value).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise click.BadParameter(
                f"neither LABEL=CLASS nor a file of JSON: {error}", context, parameter
            ) from error
        if not isinstance(found, dict) or not all(isinstance(word, str | None) for word in found.values()):
            raise click.BadParameter("the file must hold one object of texts", context, parameter)
        return {label: word or "" for label, word in found.items()}
    pairs = [part.partition("=") for part in value.split(",")]
    return {label.strip(): word.strip() for label, _, word in pairs}


@click.command(no_args_is_help=True)
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--layout",
    type=click.Choice(list(LAYOUTS)),
    help="MANIFEST is the directory of this corpus, read by its files' names: "
    + "; ".join(f"{name} ({shape})" for name, shape in SHAPES.items())
    + ".",
)
@click.option("--path-column", metavar="COLUMN", help="Of the recordings.  [default: path, file, …]")
@click.option("--label-column", metavar="COLUMN", help="Of the labels.  [default: label, emotion, …]")
@click.option(
    "--labels-map",
    callback=_labels_map,
    metavar="LABEL=CLASS,…|FILE",
    help="What labels mean where the words don't say it; LABEL= leaves a label out. Or a JSON file.",
)
@click.option(
    "--classes",
    "competing",
    type=click.Choice(["shared", "all"]),
    default="shared",
    show_default=True,
    help="What may be heard: the labels' classes that the model knows, or all that it knows.",
)
@click.option("--group", metavar="COLUMN", help="Drawn again for the intervals.  [default: speaker]")
@click.option("--head", metavar="NAME|PATH", help="Evaluate this head of yours instead of the model's own.")
@click.option("--speech-only", is_flag=True, help="Leave silence out of the verdicts.")
@click.option(
    "--model",
    metavar="NAME|PATH",
    help="Catalog name, snapshot directory or .onnx file.  [default: auto, the best one on disk]",
)
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
    help=f"Write {JSON}, {HTML} with pictures, and {TABLE} with every recording's scores there.",
)
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
    precision: Wanted,
    out: Path | None,
    form: str,
    quiet: bool,
) -> int:
    """Measure a model on recordings whose emotions are known.

    MANIFEST is a CSV, TSV or JSON lines file with a recording and its label in each row, paths relative to it;
    further columns (speaker, language, gender…) give figures by group. Labels in English, Chinese or German are
    understood: anger, 愤怒, Wut. A recording that can't be heard is listed, and counts as not recognised.

    \b
    emovox evaluate calls.csv --out calls_evaluation
    emovox evaluate labels.tsv --labels-map 'pissed=angry,laughter=' --classes all
    emovox evaluate EmoDB/wav --layout emodb --model emotion2vec_plus_large
    emovox evaluate EmoBox/data/iemocap/fold_1 --layout emobox --format json
    emovox evaluate calls.csv --head calls

    Exit code: 0 all well, 1 some recordings could not be heard, or directories searched, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    if out is not None:
        from emovox.library.page import need_pictures  # noqa: PLC0415  an extra

        need_pictures()
    unreadable: list[tuple[Path, str]] = []
    if layout is not None:
        rows = read_layout(layout, manifest, failed=lambda path, reason: unreadable.append((path, reason)))
    elif os.path.isdir(manifest):  # noqa: PTH112  what is too deep raises no error here
        raise LabelsError(f"{manifest}: a directory; say how it is laid out: --layout {'|'.join(LAYOUTS)}")
    else:
        rows = read_labels(manifest, paths=path_column, labels=label_column)
    asked = None if head is None else Head.find(head)
    recognizer = Recognizer(
        model,
        precision=precision,
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

        found = hear(
            rows,
            recognizer,
            source=manifest,
            labels_map={**AGREED.get(layout or "", {}), **labels_map},
            competing=competing,
            head=asked,
            group=group,
            begin=begin,
            speech_only=speech_only,
        )
    if form == "json":
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)
    for name, reason in [*((str(path), reason) for path, reason in unreadable), *found.failures]:
        click.echo(f"Error: {printable(name)}: {printable(reason)}", err=True)
    if out is not None:
        _write(found, out, manifest.absolute().stem)
        click.echo(f"written: {', '.join(str(out / name) for name in (JSON, HTML, TABLE))}", err=True)
    return 1 if found.failures or unreadable else 0


def _print(found: Evaluation) -> None:
    measures, model = found.measures, found.model
    head = "" if found.head is None else f", head {found.head.name}"
    total = int(measures.confusion.sum() + measures.failed.sum())
    click.echo(f"{total} recordings; {model.name} {model.revision} ({model.precision}){head}")
    click.echo(f"competing: {', '.join(found.classes)}")
    for name, words in {
        "unweighted": "unweighted accuracy",
        "weighted": "weighted accuracy",
        "macro_f1": "macro F1",
    }.items():
        low, high = found.intervals[name]
        click.echo(f"  {words:20} {getattr(measures, name):.3f}  (95 %: {low:.3f} to {high:.3f})")
    click.echo(
        f"  {'calibration error':20} {measures.calibration_error:.3f}  (confidence {measures.confidence:.3f})"
    )
    totals = (measures.confusion.sum(axis=1) + measures.failed).tolist()
    width = max(len(name) for name in measures.classes)
    for name in measures.classes:
        recall, count = measures.recalls[name], totals[measures.names.index(name)]
        click.echo(f"  {name:{width}}  {count:6}  {100 * recall:5.1f} %  {bar(recall)}".rstrip())
    if found.left_out:
        click.echo(
            f"left out: {', '.join(f'{label} ({count})' for label, count in found.left_out.items())}", err=True
        )


def _write(found: Evaluation, out: Path, title: str) -> None:
    from emovox.library.evaluation_report import evaluation_report  # noqa: PLC0415  needs matplotlib

    try:
        private.make_directory(out)
    except OSError as error:
        raise LabelsError(f"{out}: can't be made: {error.strerror or error}") from error
    with replacing(out / JSON) as file:
        file.write((json.dumps(found.to_dict(), ensure_ascii=False, indent=1) + "\n").encode())
    with replacing(out / TABLE) as file:
        file.write(_table(found).encode())
    evaluation_report(found, title).write(out / HTML)


def _table(found: Evaluation) -> str:
    """A line for each recording: path, label, what was heard, scores, or why there are none."""
    text = io.StringIO()
    write = writer(text)
    write(["path", "label", "heard", "confidence", *found.names, "failure"])
    for row, scores in zip(found.rows, found.scores, strict=True):
        best = int(scores.argmax())
        numbers = [f"{score:.6f}" for score in scores]
        write([row.name, row.label, found.names[best], numbers[best], *numbers, ""])
    for row, (_, reason) in zip(found.failed, found.failures, strict=True):
        write([row.name, row.label, "", "", *[""] * len(found.names), reason])
    return text.getvalue()
