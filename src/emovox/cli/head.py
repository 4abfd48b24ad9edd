"""`emovox head`: train, list, show, remove and export heads."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.cells import cell_len, set_cell_size

from emovox.cli import fitted, library, parameters
from emovox.cli.progress import Steps
from emovox.cli.report import bar, printable
from emovox.evaluation.groups import plural
from emovox.evaluation.value_metrics import FIGURES
from emovox.inference.recognizer import Recognizer
from emovox.models import head as heads
from emovox.models.head import REPORT, Head
from emovox.models.loading import PrecisionChoice
from emovox.packages import install, missing

if TYPE_CHECKING:
    from emovox.evaluation.html_page import Page
    from emovox.heads.fitting import Method
    from emovox.heads.training import Trained
    from emovox.heads.value_training import TrainedValues


@click.group(no_args_is_help=True)
def head() -> None:
    """Train heads: classes or values of your own on a model's embeddings, from five examples of each or more.

    \b
    emovox head train labels.csv --name calls
    emovox head train rated.csv --name mood --values arousal,valence --range 1,7
    emovox recognize call.mp3 --head calls
    emovox head list
    emovox head export calls calls.json
    """  # noqa: D301  click needs the backspace itself


@head.command(no_args_is_help=True)
@click.argument("labels", type=click.Path(path_type=Path), required=False)
@click.option("--name", required=True, help="What to call the head.")
@click.option("--corrections", is_flag=True, help="Train on the segments that were corrected in the archive.")
@click.option("--without", multiple=True, metavar="LABEL", help="With --corrections: leave out this class.")
@click.option("--path-column", metavar="COLUMN", help="The column of recordings.  [default: path, file, …]")
@click.option(
    "--label-column",
    metavar="COLUMN|VALUE=COLUMN,…",
    help="The column of classes; of values, the columns that don't have their names.  "
    "[default: label, emotion, …; of values their names]",
)
@click.option(
    "--values",
    metavar="VALUE,…",
    help="Train on numbers instead of classes: these columns, such as arousal,valence. Needs --range.",
)
@click.option(
    "--range",
    "scale",
    callback=parameters.scale,
    metavar="LOW,HIGH",
    help="The lowest and the highest that a rating can be, such as 1,7; the head's values are on this scale.",
)
@click.option(
    "--group",
    metavar="COLUMN",
    help="The column of groups that are held out together, so that the head is measured on other voices.  "
    "[default: speaker, group, session, … if there is one]",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "prototypes", "logistic"]),
    default="auto",
    show_default=True,
    help="Of classes. auto: whichever does best on recordings that are held out.",
)
@parameters.model(f"The model whose embeddings are used. {parameters.MODEL}  [default: auto]")
@parameters.precision("Of the arithmetic; the head can be used with another.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The report's file, .html.  [default: beside the head]",
)
@click.option("--yes", "-y", is_flag=True, help="Replace an existing head without asking.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no summary.")
def train(
    labels: Path | None,
    name: str,
    corrections: bool,
    without: tuple[str, ...],
    path_column: str | None,
    label_column: str | None,
    values: str | None,
    scale: tuple[float, float] | None,
    group: str | None,
    method: Literal["auto", "prototypes", "logistic"],
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    report: Path | None,
    yes: bool,
    quiet: bool,
) -> int:
    """Train a head on LABELS: a CSV, TSV or JSON lines file with a recording and its class in each row.

    Or a TextGrid, an EAF file or an Audacity label track, of which each interval is an example; or the db.yaml of
    a database in audformat.

    With --values it has numbers instead, a column for each: ratings of arousal, of how tired a voice is.

    Or on corrections, which people made of segments on the page or through the API, with --corrections. Whole
    recordings are held out then, or whole speakers if tags such as speaker:anna say who they are.

    Paths are relative to the file; an embedding.npy may take a recording's place. Embeddings are cached, so that
    training again is quick. Nothing leaves this machine.

    \b
    path,label,speaker
    calls/0001.mp3,complaint,anna
    calls/0002.mp3,praise,bert

    \b
    emovox head train labels.csv --name calls
    emovox head train labels.tsv --name calls --label-column class --group agent --report calls.html
    emovox head train --corrections --name calls
    emovox head train rated.csv --name mood --values arousal,valence --range 1,7 --label-column arousal=act

    Exit code: 0 all well, 1 some recordings could not be used (the head is trained on the others), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    from emovox.evaluation.html_page import need_pictures  # noqa: PLC0415
    from emovox.heads import training, value_training  # noqa: PLC0415  what others needn't load

    columns = bool(path_column or label_column or group)
    _check_source(labels is not None, corrections, columns, without, values, scale, method)
    names = [item.strip() for item in (values or "").split(",") if item.strip()]
    with_report = report is not None or not missing(["matplotlib"])
    if with_report:
        need_pictures()
    path = heads.head_path(name)
    if path.exists() and not yes and not parameters.confirm(f"Replace the head {name}?"):
        raise click.Abort
    recognizer = Recognizer(
        model,
        precision=precision,
        mapping=mapping,
        notice=lambda line: None if quiet else click.echo(line, err=True),
        isolate=True,
    )
    trained: training.Trained | value_training.TrainedValues
    with Steps(shown=not quiet) as steps:
        if labels is None:
            trained = _on_corrections(name, recognizer, without, method, steps)
        elif scale is not None:
            trained = value_training.train_values(
                labels,
                name,
                recognizer,
                values=names,
                scale=scale,
                paths=path_column,
                columns=parameters.value_columns(label_column),
                group=group,
                start=steps.start,
                begin=steps.begin,
                progress=steps.fit,
            )
        else:
            trained = training.train(
                labels,
                name,
                recognizer,
                paths=path_column,
                labels=label_column,
                group=group,
                method=method,
                start=steps.start,
                begin=steps.begin,
                progress=steps.fit,
            )
    if scale is None and method == "auto" and not quiet and find_spec("scipy") is None:
        click.echo(f"using prototypes: regression is often better, but needs SciPy ({install('scipy')})", err=True)
    trained.head.write(path)
    page = report or path.with_suffix(REPORT)
    if with_report:
        _report(trained).write(page)
    elif not quiet:
        click.echo(f"no report: its pictures need matplotlib ({install('matplotlib')})", err=True)
    for item, reason in trained.failures:
        click.echo(f"Error: {printable(item)}: {reason}", err=True)
    if not quiet:
        _print(trained.head)
        click.echo(f"saved as {path}" + (f"; report: {page}" if with_report else ""), err=True)
    return 1 if trained.failures else 0


def _check_source(
    a_list: bool,
    corrections: bool,
    columns: bool,
    without: tuple[str, ...],
    values: str | None,
    scale: tuple[float, float] | None,
    method: str,
) -> None:
    """Refuse options that don't go together."""
    if corrections == a_list:
        raise click.UsageError("name a list of labelled recordings, or give --corrections: one of the two")
    if corrections and columns:
        raise click.UsageError(
            "corrections are no list with columns: leave out --path-column, --label-column and --group"
        )
    if without and not corrections:
        raise click.UsageError("--without is for --corrections: a list needn't have what it is to be without")
    if (values is None) != (scale is None):
        raise click.UsageError("--values and --range go together: the columns, and the ends of their ratings")
    if values is not None and corrections:
        raise click.UsageError("corrections are classes: --values needs a list")
    if values is not None and method != "auto":
        raise click.UsageError("--method is of classes: values are fitted by ridge regression")


def _on_corrections(
    name: str, recognizer: Recognizer, without: tuple[str, ...], method: "Method", steps: Steps
) -> "Trained":
    with library.read_archive(needed=True) as archive:
        from emovox.archive.correction_head import train_on_corrections  # noqa: PLC0415  an extra

        return train_on_corrections(
            archive, name, recognizer, without=without, method=method, begin=steps.segment, progress=steps.fit
        )


def _report(trained: "Trained | TrainedValues") -> "Page":
    from emovox.heads.report import head_report  # noqa: PLC0415  its pictures take time to load
    from emovox.heads.training import Trained  # noqa: PLC0415
    from emovox.heads.value_report import value_report  # noqa: PLC0415

    return head_report(trained) if isinstance(trained, Trained) else value_report(trained)


@head.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_heads(form: str) -> int:
    """List your heads: name, recall or CCC if it was measured, model, classes or values.

    Exit code: 0 all well, 1 some can't be read (the others are listed).
    """
    items, code = fitted.read_all(Head)
    if form == "json":
        rows = [
            item.model_dump(mode="json", exclude={"weights": True, "bias": True, "training": {"recordings"}})
            for item in items
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return code
    if not items:
        click.echo("no heads yet: train one with `emovox head train labels.csv --name NAME`")
        return code
    table = [("name", "measured", "model", "gives")]
    table += [
        (item.name, _measured(item), f"{item.model.name} {item.model.revision}", ", ".join(_labels(item)))
        for item in items
    ]
    library.table(table)
    return code


@head.command(no_args_is_help=True)
@click.argument("name", metavar="NAME|PATH")
def show(name: str) -> None:
    """Show how a head was trained, and its recall, or how well it agrees, on what was held out."""
    _print(Head.find(name))


@head.command(no_args_is_help=True)
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def remove(name: str, yes: bool) -> None:
    """Delete the head NAME and its report."""
    fitted.delete(Head, name, yes=yes, report=REPORT)


@head.command(no_args_is_help=True)
@click.argument("name", metavar="NAME|PATH")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@fitted.overwrite
def export(name: str, file: Path, overwrite: bool) -> None:
    """Copy a head to FILE, to use it elsewhere: `--head FILE.json`. It doesn't say where its list is."""
    item = Head.find(name)
    copy = item.model_copy(update={"training": item.training.model_copy(update={"labels_file": None})})
    fitted.export(copy, file, overwrite=overwrite)


def _labels(item: Head) -> tuple[str, ...]:
    return item.values or item.classes


def _measured(item: Head) -> str:
    recall, figures = item.training.unweighted, item.training.figures
    if figures:
        return f"CCC {', '.join(_figure(figures[name]['ccc'], 2) for name in item.values)}"
    return "?" if recall is None else f"{100 * recall:.0f} %"


def _figure(number: float | None, digits: int = 3) -> str:
    return "undefined" if number is None else f"{number:.{digits}f}"


def _print(item: Head) -> None:
    facts, nouns = item.training, plural(item.training.noun)
    how = facts.method if facts.penalty is None else f"{facts.method}, penalty {facts.penalty:g}"
    start = ", from the model's own head" if facts.own_head else ""
    apart = f"held out by {facts.group} ({facts.groups})" if facts.group else "held out one by one"
    measured = f"nothing: too few {f'{facts.group}s' if facts.group else nouns} to hold any out"
    if facts.unweighted is not None:
        measured = f"{100 * facts.unweighted:.1f} % unweighted recall, {apart}"
    elif facts.figures:
        measured = apart
    for key, value in {
        "head": item.name,
        "model": f"{item.model.name} {item.model.revision}",
        **({} if item.range is None else {"values": f"from {item.range[0]:g} to {item.range[1]:g}"}),
        "trained": f"{facts.created_at.astimezone():%Y-%m-%d %H:%M}, {how}{start}",
        "measured": measured,
    }.items():
        click.echo(f"{key:9} {value}")
    width = max(cell_len(name) for name in _labels(item))
    for name in item.values:
        click.echo(f"  {set_cell_size(name, width)}  {facts.clips.get(name, 0):6} ratings".rstrip())
        for figure, words in FIGURES.items() if name in facts.figures else ():
            interval = " to ".join(map(_figure, facts.figure_intervals[name][figure]))
            click.echo(f"    {words:12} {_figure(facts.figures[name][figure]):>6}  (95 %: {interval})")
    for name in item.classes:
        recall = facts.recalls.get(name)
        shown = "" if recall is None else f"{100 * recall:5.1f} %  {bar(recall)}"
        if (ends := facts.intervals.get(name)) is not None:
            shown += f"  {100 * ends[0]:.0f} – {100 * ends[1]:.0f} %"
        click.echo(f"  {set_cell_size(name, width)}  {facts.clips.get(name, 0):6} {nouns}  {shown}".rstrip())
