"""`emovox evaluate`."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from emovox.cli import evaluations, parameters
from emovox.cli.evaluations import CONFUSIONS, HTML, JSON, PICTURE, SCATTER, TABLE
from emovox.cli.progress import Progress
from emovox.cli.report import printable
from emovox.errors import LabelsError
from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import Competing, Evaluation, readout_to_evaluate
from emovox.evaluation.evaluation import evaluate as evaluate_classes
from emovox.evaluation.value_evaluation import ValueEvaluation, evaluate_values
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.labels.aliases import parse_map
from emovox.labels.corpora import AGREED, LAYOUTS, SHAPES, read_layout
from emovox.labels.label_list import read_labels
from emovox.labels.value_list import read_values
from emovox.models.head import Head
from emovox.models.loading import PrecisionChoice
from emovox.models.readout import Readout
from emovox.settings import settings


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
    return parse_map(value)


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
@click.option(
    "--label-column",
    metavar="COLUMN|VALUE=COLUMN,…",
    help="The column of labels; for a model that gives values, the columns that don't have their names.  "
    "[default: label, emotion, …; of values their names]",
)
@click.option(
    "--range",
    "scale",
    callback=parameters.scale,
    metavar="LOW,HIGH",
    help="The lowest and the highest that a rating of the list can be, such as 1,7: ratings are mapped linearly "
    "onto the range of the model's values.",
)
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
@click.option(
    "--readout",
    metavar="NAME",
    help="Evaluate this readout of the model.  [default: the nine emotions; without them the only readout]",
)
@click.option("--speech-only", is_flag=True, help="Leave silence out of the verdicts.")
@parameters.baseline(
    "NAME|PATH|corpus|speaker",
    "Measure what is recognised relative to this baseline, and beside it what is without. corpus: relative to all "
    "recordings of the list, without their labels; speaker: to those of each speaker, by its column speaker.",
)
@parameters.model(f"{parameters.MODEL}  [default: auto, the best one on disk]")
@parameters.precision("Of the arithmetic.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Write {JSON}, {HTML} with pictures, {TABLE} with every recording's scores, {CONFUSIONS} and {PICTURE} "
    f"there; for values {SCATTER}.",
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the picture.  [default: en]")
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
    scale: tuple[float, float] | None,
    labels_map: dict[str, str],
    competing: Competing,
    group: str | None,
    head: str | None,
    readout: str | None,
    speech_only: bool,
    baseline: str | None,
    expect: dict[str, float] | None,
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    out: Path | None,
    labels: str | None,
    form: str,
    quiet: bool,
) -> int:
    """Measure a model on recordings whose emotions are known.

    MANIFEST is a CSV, TSV or JSON lines file with a recording and its label in each row, paths relative to it;
    or a TextGrid, an EAF file or an Audacity label track, of which each interval is an example; or the db.yaml of
    a database in audformat. Further columns (speaker, language, gender…) give figures by group. Labels in English,
    Chinese or German are understood: anger, 愤怒, Wut. A recording that can't be recognised is listed, and counts
    as wrong.

    A model that gives values is compared with ratings, in columns of their names: arousal, valence…

    \b
    emovox evaluate calls.csv --out calls_evaluation
    emovox evaluate labels.tsv --labels-map 'pissed=angry,laughter=' --classes all
    emovox evaluate EmoDB/wav --layout emodb --model emotion2vec_plus_large
    emovox evaluate EmoBox/data/iemocap/fold_1 --layout emobox --format json
    emovox evaluate calls.csv --head calls
    emovox evaluate calls.csv --baseline corpus
    emovox evaluate rated.csv --model MODEL --range 1,7 --label-column arousal=act,valence=val

    Exit code: 0 all well, 1 some recordings or directories could not be read, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    if head is not None and readout is not None:
        raise click.UsageError("--head and --readout exclude each other: a head is evaluated, or a readout")
    if out is not None:
        from emovox.evaluation.html_page import need_pictures  # noqa: PLC0415  an extra

        need_pictures()
    if layout is None and os.path.isdir(manifest):  # noqa: PTH112  what is too deep raises no error here
        raise LabelsError(f"{manifest} is a directory: give its layout with --layout {'|'.join(LAYOUTS)}")
    options = Options.of(baseline=baseline, expect=expect)
    unreadable: list[tuple[Path, str]] = []
    rows = [] if layout is None else read_layout(
        layout, manifest, failed=lambda path, reason: unreadable.append((path, reason))
    )  # fmt: skip
    own_head = None if head is None else Head.find(head)
    recognizer = Recognizer(
        model,
        precision=precision,
        mapping=mapping,
        notice=lambda line: None if quiet else click.echo(line, err=True),
        isolate=True,
    )
    own_readout = _readout(recognizer, readout, own_head)
    result: Evaluation | ValueEvaluation
    if own_readout is not None and own_readout.gives_values:
        of_classes = {"--layout": layout, "--labels-map": labels_map, "--classes": competing == "all"}
        _refuse({**of_classes, "--baseline": baseline}, "classes")
        ratings = read_values(
            manifest, own_readout.labels, paths=path_column, columns=parameters.value_columns(label_column)
        )
        with Progress(len(ratings), shown=not quiet) as progress:
            result = evaluate_values(
                ratings,
                recognizer,
                own_readout,
                source=manifest,
                scale=scale,
                group=group,
                begin=progress.next,
                speech_only=speech_only,
                head=own_head,
            )
    else:
        _refuse({"--range": scale}, "values")
        if layout is None:
            rows = read_labels(manifest, paths=path_column, labels=label_column)
        with Progress(len(rows), shown=not quiet) as progress:
            result = evaluate_classes(
                rows,
                recognizer,
                source=manifest,
                labels_map={**AGREED.get(layout or "", {}), **labels_map},
                competing=competing,
                head=own_head,
                readout=own_readout,
                group=group,
                begin=progress.next,
                speech_only=speech_only,
                baseline=options.baseline,
                expect=options.expect,
            )
    if form == "json":
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    else:
        evaluations.show(result)
    for sentence in doubts(result):
        click.echo(f"Warning: {printable(sentence)}", err=True)
    for name, reason in [*((str(path), reason) for path, reason in unreadable), *result.failures]:
        click.echo(f"Error: {printable(name)}: {printable(reason)}", err=True)
    if out is not None:
        evaluations.write(result, out, manifest.absolute().stem, labels or settings().labels)
    return 1 if result.failures or unreadable else 0


def _readout(recognizer: Recognizer, name: str | None, head: Head | None) -> Readout | None:
    """What is evaluated; None: the nine, or the classes of a head."""
    if head is None:
        return readout_to_evaluate(recognizer.metadata, name)
    return head.readout if head.values else None


def _refuse(options: Mapping[str, object], kind: str) -> None:
    """Options that mean nothing to what is evaluated."""
    for name, value in options.items():
        if value:
            raise click.UsageError(f"{name} is for models that give {kind}, which isn't what is evaluated here")
