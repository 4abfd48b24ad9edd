"""`emovox models`: list, download, convert, verify and remove models."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click
import rich.progress
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from emovox.cli import parameters
from emovox.cli.report import printable
from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models import adding, catalog
from emovox.models.converted.store import TOLERANCE, Comparison, StoredModel
from emovox.models.converted.verification import verify_snapshot
from emovox.models.entry import CatalogModel
from emovox.models.families import family_of
from emovox.models.hub import caches
from emovox.models.hub.published import SnapshotSource
from emovox.models.loading import PrecisionChoice, compare, open_snapshot
from emovox.models.named import CATALOG
from emovox.models.readout import Activation, Readout
from emovox.models.runtime.engine import read_metadata
from emovox.models.runtime.session import engine_version
from emovox.models.terms import terms_of
from emovox.settings import settings


@click.group(no_args_is_help=True)
def models() -> None:
    """List, download, add, convert, verify and remove models.

    \b
    emovox models list
    emovox models add lite-free.onnx
    emovox models pull emotion2vec_plus_large
    emovox models pull hf:OWNER/NAME
    emovox models verify emotion2vec_plus_large
    emovox models convert path/to/snapshot --precision int8
    emovox models remove emotion2vec_plus_large
    """  # noqa: D301  click needs the backspace itself


@models.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_models(form: str) -> None:
    """List the models: name, whether on disk, size, licence, who may use it for what, what it is.

    Those of the catalog, and below them what was added from a file, or pulled by another name, such as
    hf:OWNER/NAME. "found" is what another program has on disk, in Hugging Face's or ModelScope's cache: it is used
    where it lies. The size of a model that isn't on disk is that of its download, if known. Who may use a model
    for what is a summary of its licence, which is what holds.
    """
    rows = [_row(entry) for entry in catalog.known()]
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = [("name", "on disk", "size", "licence", "who may use it", "what it is")]
    table += [
        (
            row["name"],
            "found" if row["found_in"] else "yes" if row["installed"] else "no",
            "?" if row["size"] is None else amount(row["size"]),
            row["licence"]["name"],
            row["licence"]["terms"],
            row["title"],
        )
        for row in rows
    ]
    widths = [max(cell_len(line[column]) for line in table) for column in range(5)]
    for line in table:
        cells = [set_cell_size(cell, width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*cells, line[-1]]))


@models.command(no_args_is_help=True)
@click.argument("name")
@click.option(
    "--hub",
    type=click.Choice(["auto", "huggingface", "modelscope"]),
    default="auto",
    show_default=True,
    help="auto: Hugging Face, or ModelScope if that can't be reached.",
)
@click.option("--revision", metavar="NAME", help="Branch, tag or commit.  [default: the hub's main branch]")
def pull(name: str, hub: Literal["auto", "huggingface", "modelscope"], revision: str | None) -> None:
    """Download the model NAME, and resume an interrupted download.

    NAME is one of the list, or hf:OWNER/NAME of any model on Hugging Face (ms: on ModelScope) of a family that is
    computed; hf:OWNER/NAME@REVISION is kept and used beside it. Only settings, labels, model card and weights
    come, never code.

    What Hugging Face's or ModelScope's own programs have on disk already is used where it lies, and not downloaded
    again, unless --hub or --revision is given.

    Uses the proxies of the environment. HF_ENDPOINT and MODELSCOPE_ENDPOINT name mirrors, HF_TOKEN is sent to
    Hugging Face; EMOVOX_OFFLINE or HF_HUB_OFFLINE forbid downloads.

    \b
    emovox models pull emotion2vec_plus_large
    emovox models pull emotion2vec_plus_large --hub modelscope
    emovox models pull hf:OWNER/NAME@REVISION
    """  # noqa: D301  click needs the backspace itself
    entry = catalog.find(name)
    if entry.file:
        click.echo(f"{name} {'is part of Emovox' if entry.bundled else 'was added'}: nothing to download")
        return
    name = entry.name
    snapshot = catalog.found_snapshot(entry) if hub == "auto" and revision is None else None
    if snapshot is not None and (cached := caches.repository_of(snapshot)) is not None:
        click.echo(f"{name} is in {caches.TITLES[cached.prefix]}, {snapshot}: found, not downloaded")
        click.echo("to have a copy that other programs can't remove, name the --hub to download it from", err=True)
        return
    from emovox.models.hub import pull as hubs  # noqa: PLC0415  no other command may even load what goes online

    size = f", about {amount(entry.download_size)}" if entry.download_size else ""
    if entry in CATALOG:
        click.echo(f"{name}{size}, licence: {entry.licence}", err=True)
        click.echo(f"who may use it: {entry.licence.terms.english}", err=True)
    with _bar() as bar:
        task = bar.add_task(name, total=None)
        path = hubs.pull(
            entry,
            hub=hub,
            revision=revision,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            notice=lambda line: bar.console.print(line, markup=False, highlight=False, soft_wrap=True),
        )
    click.echo(f"{name} is in {path}, {amount(catalog.disk_size(name))}")


@models.command(no_args_is_help=True)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="What to call it.  [default: as the file says]")
def add(file: Path, name: str | None) -> None:
    """Add a model from FILE, an .onnx file under the contract, such as one that somebody gave you.

    It is checked: what it says of itself, its licence, and that it runs on a second of sound. Then it is copied,
    and FILE is needed no more. It is called by its name from then on, as --model NAME, or NAME@REVISION where
    there are several or the name is the catalog's. Add only files from people whom you trust.

    \b
    emovox models add lite-free.onnx
    emovox models add ours.onnx --name ours
    """  # noqa: D301  click needs the backspace itself
    model = adding.add(file, name)
    entry = catalog.find(f"{model.name}@{model.revision}")
    click.echo(f"{model.name} {model.revision}, licence: {model.licence}: {entry.licence.terms.english}", err=True)
    click.echo(f"{model.path}, {amount(catalog.disk_size(entry.name))}: use it with --model {entry.name}")


@models.command(no_args_is_help=True)
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def remove(name: str, yes: bool) -> None:
    """Delete the model NAME, or NAME@REVISION, from the disk, with what an interrupted download left."""
    size = catalog.disk_size(name)
    if not size:
        snapshot = catalog.found_snapshot(catalog.find(name))
        where = "is not on disk" if snapshot is None else f"is another program's, in {snapshot}"
        click.echo(f"{name} {where}: nothing to remove")
    elif catalog.find(name).bundled or yes or parameters.confirm(f"Delete {name}, {amount(size)}?"):
        click.echo(f"{amount(catalog.remove(name))} freed")


@models.command(no_args_is_help=True)
@click.argument("model", metavar="NAME|PATH")
def show(model: str) -> None:
    """Show what is known of a model: a name, a snapshot directory or an .onnx file.

    With each of its readouts, and which of the nine their labels are. For a snapshot also how
    its precisions compare with fp32 on this machine, if they were compared.
    """
    path = catalog.resolve(model)
    if not path.is_dir():
        metadata = read_metadata(path)
        facts = {name: value for name, value in metadata.model_dump(exclude={"readouts"}).items() if value != ()}
        facts["who may use it"] = terms_of(metadata.licence).english
        _print_facts({"file": path, **facts, "runs on": engine_version(engine=settings().engine)})
        _print_readouts(metadata.readouts)
        return
    stored = open_snapshot(path)
    readouts = family_of(stored.snapshot).open_weights(stored.snapshot).readouts
    source = SnapshotSource.read(path)
    _print_facts(
        {
            "snapshot": path,
            "name": stored.name,
            "revision": stored.revision,
            "licence": stored.licence,
            "who may use it": terms_of(stored.licence).english,
            "from": f"{source.address}, {source.repository}" if source else _origin(path),
            "embedding_size": stored.snapshot.embedding_size,
            "checksum": stored.checksum,
            "converted in": stored.directory,
            "runs on": engine_version(engine=settings().engine),
        }
    )
    _print_readouts(readouts)
    comparison = stored.comparison(engine=settings().engine)
    if comparison:
        _print_comparison(comparison)
    else:
        click.echo(f"precisions: not compared yet; run `emovox models convert {model}`")


@models.command(no_args_is_help=True)
@click.argument("model", metavar="NAME|PATH")
@click.option(
    "--evaluation",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="evaluation.json of `emovox evaluate --out`, on recordings like yours.",
)
def sheet(model: str, evaluation: Path | None) -> None:
    """Write the instruction sheet of a model, as Markdown, after the headings of the AI Act's Article 13.

    Filled from the model's metadata, the bundled card and your own evaluation. What isn't known it says, and what
    is yours to say stands in angle brackets.

    \b
    emovox evaluate labels.csv --model lite --out report
    emovox models sheet lite --evaluation report/evaluation.json > sheet.md
    """  # noqa: D301  click needs the backspace itself
    from emovox.inference.recognizer import Recognizer  # noqa: PLC0415  loads the model's packages
    from emovox.models import sheet as sheets  # noqa: PLC0415

    metadata = Recognizer(model).metadata
    card = Path(sheets.__file__).parent / "bundled" / f"{metadata.name}.md"
    facts = None if evaluation is None else json.loads(evaluation.read_text(encoding="utf-8"))
    click.echo(sheets.sheet(metadata, card=card if card.exists() else None, evaluation=facts))


@models.command(no_args_is_help=True)
@click.argument("model", metavar="NAME|PATH")
@parameters.precision("auto: all that can run here, compared with fp32 on the example recordings.")
def convert(model: str, precision: PrecisionChoice) -> None:
    """Convert a snapshot, NAME or PATH, so that its first use needn't wait for that."""
    stored = _snapshot(model)
    if precision == "auto":
        _print_comparison(compare(stored, notice=lambda line: click.echo(line, err=True)))
    else:
        click.echo(stored.file(precision, notice=lambda line: click.echo(line, err=True)))


@models.command(no_args_is_help=True)
@click.argument("model", metavar="NAME|PATH")
def verify(model: str) -> int:
    """Check that this installation computes what a model's authors computed, or that an added file is as it was.

    Compares a snapshot's files with the checksums its hub published, runs its own example/test.wav in fp32, and
    compares the result with the published one, if there is one. Exit code 1 if anything differs.
    """
    if catalog.is_name(model) and model != catalog.AUTO and (file := adding.added_as(model)) is not None:
        click.echo(adding.verify(file))
        return 0
    stored = _snapshot(model)
    verification = verify_snapshot(stored, notice=lambda line: click.echo(line, err=True))
    for line in verification.lines:
        click.echo(line)
    return 0 if verification.good else 1


def _origin(path: Path) -> str:
    """Where a snapshot that Emovox didn't pull comes from."""
    cached = caches.repository_of(path)
    return "not pulled by Emovox" if cached is None else f"{caches.TITLES[cached.prefix]}: found, not downloaded"


def amount(size: int) -> str:
    """A number of bytes as people read it, in powers of 1000 like the hubs' pages."""
    for unit, power in (("GB", 3), ("MB", 2), ("kB", 1)):
        if size >= 1000**power:
            return f"{size / 1000**power:.3g} {unit}"
    return f"{size} bytes"


_GIVES: dict[Activation, str] = {
    "softmax": "classes of which one holds (softmax)",
    "sigmoid": "classes of which several may hold (sigmoid)",
    "none": "values",
}


def _row(entry: CatalogModel) -> dict[str, Any]:
    path = catalog.snapshot_of(entry) if entry.file is None else entry.file
    path = path if path is not None and path.exists() else None
    cached = None if path is None or entry.file is not None else caches.repository_of(path)
    return {
        "name": entry.name,
        "title": entry.title,
        "licence": {**asdict(entry.licence), "terms": entry.licence.terms.english},
        "installed": path is not None,
        "found_in": None if cached is None else caches.TITLES[cached.prefix],
        "size": catalog.known_size(entry),
        "path": None if path is None else str(path),
        "huggingface": entry.huggingface,
        "modelscope": entry.modelscope,
    }


def _bar() -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _snapshot(model: str) -> StoredModel:
    path = catalog.resolve(model)
    if not path.is_dir():
        raise ModelError(f"{model} is an .onnx file already: give the name or directory of a snapshot")
    return open_snapshot(path)


def _print_facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        click.echo(f"{name:{width}}  {shown}")


def _print_readouts(readouts: Sequence[Readout]) -> None:
    for readout in readouts:
        scale = "" if readout.range is None else ", from {:g} to {:g}".format(*readout.range)
        click.echo(f"readout {readout.name}: {readout.kind}, {_GIVES[readout.activation]}{scale}")
        width = max(map(cell_len, readout.labels))
        for label in readout.labels:
            meaning = "" if readout.gives_values else f"  {readout.emotions.get(label, '-')}"
            click.echo(printable(f"  {set_cell_size(label, width) if meaning else label}{meaning}"))
        if readout.activation == "softmax" and (unmapped := set(readout.labels) - set(readout.emotions)):
            labels = [label for label in readout.labels if label in unmapped]
            example = json.dumps(dict.fromkeys(labels, "..."), ensure_ascii=False)
            click.echo(
                printable(
                    f"  none of the nine: {', '.join(labels)}. So it gives no emotion, only these scores. To have "
                    f"one, say which of {', '.join(NAMES)} each is, with --map FILE and in it {example}"
                )
            )
    if not readouts:
        click.echo("readouts: none, it gives embeddings only")


def _print_comparison(comparison: Comparison) -> None:
    click.echo(f"precisions, on {comparison.machine}:")
    click.echo("  precision  times real time  same emotion  largest error of a score")
    for trial in comparison.trials:
        mark = "  <- auto" if trial.precision == comparison.best else "" if trial.good else "  over the limit"
        click.echo(
            f"  {trial.precision:9}  {1 / max(trial.seconds, 1e-9):15.1f}  {100 * trial.agreement:10.0f} %"
            f"  {trial.error:24.5f}{mark}"
        )
    click.echo(f"  auto takes the fastest with the same emotion everywhere and no error above {TOLERANCE}")
