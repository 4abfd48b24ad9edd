"""`emovox archive`: recognitions in a database."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from emovox.cli import library, parameters
from emovox.cli.corrections import corrections
from emovox.cli.deletion import delete
from emovox.cli.erasure import erase, expire
from emovox.cli.moments import flag, moments
from emovox.cli.plane import plane
from emovox.cli.progress import counting_bar
from emovox.cli.report import clock, counted, label, printable, relation
from emovox.cli.statistics import stats
from emovox.cli.table import Failures, Form, check, opened, tell, write_archive
from emovox.cli.upgrade import upgrade
from emovox.cli.watch import watch
from emovox.errors import OutputsError
from emovox.outputs import find_directories
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.inference.recognition import ReadoutResult

_OUTPUTS = parameters.outputs("The outputs whose archive it is.")
_LABELS = click.option(
    "--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions.  [default: en]"
)


@click.group(no_args_is_help=True)
def archive() -> None:
    """Keep recognitions in a database: find, tag, count, export, delete them.

    The archive is outputs.db beside outputs/ (or in outputs/.emovox/, if nothing can be written beside it), DIR.db
    for --outputs DIR, or the database that EMOVOX_DATABASE names. `--archive` of recognize, listen and batch fills
    it, and the service.

    \b
    emovox archive import outputs/
    emovox archive list --filter emotion=angry --filter since=2026-11-01
    emovox archive tag complaint 3f9a12c0ffee
    emovox archive corrections
    emovox archive moments 'angry >= 60% for 3s'
    emovox archive export --format csv > archive.csv
    emovox archive plane plane.png
    emovox archive watch outputs/ --run 'notify-send {}'
    emovox archive upgrade --dry-run
    emovox archive delete 3f9a12c0ffee
    emovox archive erase --tag person:anna
    """  # noqa: D301  click needs the backspace itself


archive.add_command(corrections)
archive.add_command(delete)
archive.add_command(erase)
archive.add_command(expire)
archive.add_command(flag)
archive.add_command(moments)
archive.add_command(plane)
archive.add_command(stats)
archive.add_command(upgrade)
archive.add_command(watch)


@archive.command("import", no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME[@REVISION]", help="For results that don't name their model.")
@click.option("--quiet", "-q", is_flag=True, help="Errors only.")
@_OUTPUTS
def import_(paths: tuple[Path, ...], model: str | None, quiet: bool) -> int:
    """Archive outputs directories: DIR, and all below it. What is in the archive already isn't added again.

    Other programs' directories of the same layout, too: a result.json with `scores` by name, or with `labels` and
    `scores` as FunASR writes them, and embedding.npy of the shape (D,), (1, D) or (T, D). If a result doesn't name
    its model, that is `unknown`, or what --model says.

    \b
    emovox archive import outputs/
    emovox archive import old/outputs --model emotion2vec_plus_large

    Exit code: 0 all well, 1 some directories can't be read (the others are archived), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    library.need_library()
    from emovox.archive.importing import import_directories  # noqa: PLC0415  an extra

    failures: list[tuple[Path, str]] = []
    directories: list[Path] = []

    def failed(path: Path, reason: str) -> None:
        failures.append((path, reason))

    for path in paths:
        try:
            directories += find_directories(path, failed=failed)
        except OutputsError as error:
            failures.append((path, str(error).removeprefix(f"{path}: ")))
    try:
        with library.open_archive() as archive, counting_bar(shown=not quiet) as bar:
            task = bar.add_task("importing", total=len(directories))
            new = import_directories(
                archive,
                directories,
                model=model,
                failed=failed,
                done=lambda: bar.advance(task),
            )
        if not quiet:
            known = len(directories) - new - sum(path in directories for path, _ in failures)
            click.echo(f"{new} new, {known} already there, {len(failures)} unreadable", err=True)
    finally:
        for path, reason in failures:
            click.echo(f"Error: {printable(str(path))}: {printable(reason)}", err=True)
    return 1 if failures else 0


@archive.command("list")
@library.filters
@library.relative
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, latest first.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True
)
@_LABELS
@_OUTPUTS
def list_(
    filters: tuple[str, ...],
    baseline: str | None,
    expect: dict[str, float] | None,
    limit: int,
    form: str,
    labels: str | None,
) -> None:
    """List what is in the archive, latest first: id, time, emotion, confidence, name, tags.

    \b
    emovox archive list
    emovox archive list --filter emotion=angry --filter tag=complaint --limit 200
    emovox archive list --baseline line3 --filter 'angry>0.6'
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        view = library.view(archive, filters, baseline, expect)
        records, more = view.find(limit=limit)
    if form == "json":
        click.echo(json.dumps([record.to_dict() for record in records], ensure_ascii=False, indent=2))
        return
    for record in records:
        text = (
            json.dumps(record.to_dict(), ensure_ascii=False)
            if form == "jsonl"
            else library.line(record, _language(labels))
        )
        click.echo(text)
    if form == "table" and baseline is not None:
        click.echo(relation(view.relative_to, expect), err=True)
    if form == "table" and more:
        click.echo(f"… and more: show them with a --limit above {limit}", err=True)


@archive.command(no_args_is_help=True)
@click.argument("name", metavar="ID|OUTPUTS_DIR")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_LABELS
@_OUTPUTS
def show(name: str, form: str, labels: str | None) -> None:
    """Show all that the archive has of a recognition, by its id, the beginning of it, or its outputs directory.

    \b
    emovox archive show 3f9a12c0ffee
    emovox archive show outputs/outputs_20240104_223000 --format json
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive(needed=True) as archive:
        for record in library.lookup(archive, name):
            segments, vector = archive.segments(record.id), archive.embedding(record.id)
            facts = record.to_dict()
            if form == "json":
                facts |= {"segments": segments, "dimensions": None if vector is None else len(vector)}
                click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
                continue
            for key, value in facts.items():
                if value not in (None, [], {}) and key not in {"scores", "readouts"}:
                    text = ", ".join(value) if isinstance(value, list) else value
                    if key == "baseline" and record.baseline is not None:
                        text = f"{record.baseline.name}, of {counted(record.baseline.count, 'recording')}"
                    click.echo(f"{key:12}{printable(str(text))}")
            for emotion, score in sorted((record.scores or {}).items(), key=lambda item: -item[1]):
                click.echo(f"{'':12}{100 * score:5.1f} %  {label(emotion, _language(labels))}")
            for readout, item in record.readouts.items():
                _show_readout(readout, item)
            click.echo(f"{'embedding':12}{'none' if vector is None else f'{len(vector)} numbers'}")
            for segment in segments:
                times = f"{clock(segment['start'])} – {clock(segment['end'])}"
                if segment["emotion"] is not None:
                    emotion = label(segment["emotion"], _language(labels))
                    times += f"  {100 * segment['confidence']:5.1f} %  {emotion}"
                values = [
                    (f"{name}.{key}", value)
                    for name, item in segment["values"].items()
                    for key, value in item.items()
                ]
                times += "".join(f"  {printable(name)} {value:.2f}" for name, value in values)
                click.echo(f"{'segment':12}{times}")


def _show_readout(name: str, item: "ReadoutResult") -> None:
    click.echo(printable(name) + ("" if item.range is None else f", {item.range[0]:g} … {item.range[1]:g}"))
    for label_, value in (item.values or {}).items():
        click.echo(f"{'':12}{value:7.2f}  {printable(label_)}")
    for label_, score in sorted((item.scores or {}).items(), key=lambda pair: -pair[1]):
        click.echo(f"{'':12}{100 * score:5.1f} %  {printable(label_)}")


@archive.command()
@library.filters
@library.relative
@click.option(
    "--rows",
    type=click.Choice(["recordings", "segments", "frames"]),
    default="recordings",
    show_default=True,
    help="A row for each recognition of a recording, for each segment, or for each frame.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl", "parquet", "audformat"]),
    default="csv",
    show_default=True,
)
@click.option(
    "--output",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to write; required for Parquet, and for audformat, where it is a folder.  "
    "[default: standard output]",
)
@click.option("--embedding", is_flag=True, help="Add the embeddings of recordings: in JSON lines and Parquet.")
@_OUTPUTS
def export(
    filters: tuple[str, ...],
    baseline: str | None,
    expect: dict[str, float] | None,
    rows: str,
    form: str,
    output: Path | None,
    embedding: bool,
) -> int:
    """Write the archive as a table: of recordings, of their segments, or of their frames.

    What readouts give besides the nine emotions has columns READOUT.LABEL, such as dimensions.arousal. The archive
    has the segments with the nine and values, without other classes; frames are read from the outputs directories.
    Both tables are those of `emovox table`, which also reads outputs directories that are in no archive.

    \b
    emovox archive export > archive.csv
    emovox archive export --rows segments --filter tag=complaint > segments.csv
    emovox archive export --format parquet --embedding --output archive.parquet --filter model=lite
    emovox archive export --baseline corpus > relative.csv

    Exit code: 0 all well, 1 some outputs directories can't be read (the others are in the table), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    output = None if output == Path("-") else output
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is not text: name a file with --output")
    if form == "audformat" and (output is None or output.is_file()):
        raise click.UsageError("audformat is a folder: name one with --output")
    if form == "audformat" and rows == "frames":
        raise click.UsageError("audformat has tables of recordings and of segments: write frames as Parquet")
    if form in {"csv", "audformat"} and embedding:
        raise click.UsageError("CSV can't hold embeddings: use --format jsonl or parquet")
    if rows != "recordings" and (embedding or form == "jsonl"):
        raise click.UsageError("JSON lines and --embedding need --rows recordings")
    if form == "parquet":
        check(form)
    failures: Failures = []
    try:
        with library.read_archive() as archive:
            view = library.view(archive, filters, baseline, expect)
            if form == "jsonl" or embedding:
                from emovox.archive import table  # noqa: PLC0415  an extra

                with opened(output, form) as file:
                    if form == "parquet":
                        table.write_parquet(view.records(), file, table.layout_of(view), archive)
                    else:
                        table.write_jsonl(view.records(), file, archive if embedding else None)
            else:
                write_archive(view, rows, cast("Form", form), output, failures)
    finally:
        tell(failures)
    return 1 if failures else 0


@archive.command(no_args_is_help=True)
@click.argument("name")
@click.argument("records", nargs=-1, metavar="ID|OUTPUTS_DIR...")
@library.filters
@click.option("--remove", is_flag=True, help="Take the tag off instead.")
@_OUTPUTS
def tag(name: str, records: tuple[str, ...], filters: tuple[str, ...], remove: bool) -> None:
    """Give recordings the tag NAME: those named, or those that match a filter.

    \b
    emovox archive tag complaint 3f9a12c0ffee outputs/outputs_20240104_223000
    emovox archive tag november --filter since=2026-11-01 --filter until=2026-12-01
    emovox archive tag complaint 3f9a12c0ffee --remove
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        sha256s = sorted({record.sha256 for record in library.select(archive, records, filters)})
        for sha256 in sha256s:
            if remove:
                archive.untag(sha256, name)
            else:
                archive.tag(sha256, name)
    click.echo(counted(len(sha256s), "recording"), err=True)


def _language(labels: str | None) -> str:
    return labels or settings().labels
