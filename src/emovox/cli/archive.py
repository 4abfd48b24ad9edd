"""`emovox archive`: what was recognised, kept in a database."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import rich.progress
from rich.console import Console

from emovox.cli import library, parameters
from emovox.cli.report import clock, label, printable
from emovox.cli.table import Failures, Form, check, opened, tell, write_archive
from emovox.cli.watch import watch
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, OutputsError
from emovox.outputs import find_directories
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive import Archive, Found

_OUTPUTS = parameters.outputs("The outputs whose archive it is.")
_LABELS = click.option(
    "--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions.  [default: en]"
)


@click.group(no_args_is_help=True)
def archive() -> None:
    """Keep recognitions in a database: find, tag, count, export, delete them.

    The archive is outputs.db beside outputs/ (where only outputs/ can be written to, in outputs/.emovox/), for
    --outputs DIR DIR.db beside DIR; or the database that EMOVOX_DATABASE names. `--archive` of recognize, listen
    and batch fills it, the service always does.

    \b
    emovox archive import outputs/
    emovox archive list --filter emotion=angry --filter since=2026-11-01
    emovox archive tag complaint 3f9a12c0ffee
    emovox archive export --format csv > archive.csv
    emovox archive watch outputs/ --run 'notify-send {}'
    emovox archive delete 3f9a12c0ffee
    """  # noqa: D301  click needs the backspace itself


archive.add_command(watch)


@archive.command("import", no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME[@REVISION]", help="Of results that don't say which model they are from.")
@click.option("--quiet", "-q", is_flag=True, help="Errors only.")
@_OUTPUTS
def import_(paths: tuple[Path, ...], model: str | None, quiet: bool) -> int:
    """Archive outputs directories, and all that are below DIR; again and again, nothing is there twice.

    Other programs' of the same layout, too: a result.json with `scores` by name, or with `labels` and `scores` as
    FunASR writes them, and embedding.npy of the shape (D,), (1, D) or (T, D). Whoever doesn't say which model it
    was has the model `unknown`; --model names it.

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
        with library.open_archive() as kept, _bar(quiet) as bar:
            task = bar.add_task("importing", total=len(directories))
            new = import_directories(
                kept,
                directories,
                model=model,
                failed=failed,
                done=lambda: bar.advance(task),
            )
        if not quiet:
            known = len(directories) - new - sum(path in directories for path, _ in failures)
            click.echo(f"{new} new, {known} known before, {len(failures)} unreadable", err=True)
    finally:
        for path, reason in failures:
            click.echo(f"Error: {printable(str(path))}: {printable(reason)}", err=True)
    return 1 if failures else 0


@archive.command("list")
@library.filters
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, latest first.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True
)
@_LABELS
@_OUTPUTS
def list_(filters: tuple[str, ...], limit: int, form: str, labels: str | None) -> None:
    """List what is in the archive, latest first: id, time, emotion, confidence, name, tags.

    \b
    emovox archive list
    emovox archive list --filter emotion=angry --filter tag=complaint --limit 200
    """  # noqa: D301  click needs the backspace itself
    wanted = library.parse(filters)
    with library.read_archive() as kept:
        found, more = kept.find(wanted, limit=limit)
    if form == "json":
        click.echo(json.dumps([item.to_dict() for item in found], ensure_ascii=False, indent=2))
        return
    for item in found:
        text = (
            json.dumps(item.to_dict(), ensure_ascii=False)
            if form == "jsonl"
            else library.line(item, _language(labels))
        )
        click.echo(text)
    if form == "table" and more:
        click.echo(f"… and more: --limit shows over {limit}", err=True)


@archive.command(no_args_is_help=True)
@click.argument("words", metavar="ID|OUTPUTS_DIR")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_LABELS
@_OUTPUTS
def show(words: str, form: str, labels: str | None) -> None:
    """Show everything that the archive has of a recognition: by its id or its beginning, or its outputs directory.

    \b
    emovox archive show 3f9a12c0ffee
    emovox archive show outputs/outputs_20240104_223000 --format json
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive(needed=True) as kept:
        for found in _lookup(kept, words):
            segments, vector = kept.segments(found.id), kept.embedding(found.id)
            if form == "json":
                shown = {
                    **found.to_dict(),
                    "segments": segments,
                    "dimensions": None if vector is None else len(vector),
                }
                click.echo(json.dumps(shown, ensure_ascii=False, indent=2))
                continue
            facts = {
                key: value
                for key, value in found.to_dict().items()
                if value not in (None, [], {}) and key != "scores"
            }
            for key, value in facts.items():
                text = ", ".join(value) if isinstance(value, list) else value
                click.echo(f"{key:12}{printable(str(text))}")
            for name, score in sorted(found.scores.items(), key=lambda item: -item[1]):
                click.echo(f"{'':12}{100 * score:5.1f} %  {label(name, _language(labels))}")
            click.echo(f"{'embedding':12}{'none' if vector is None else f'{len(vector)} numbers'}")
            for item in segments:
                times, name = (
                    f"{clock(item['start'])} – {clock(item['end'])}",
                    label(item["emotion"], _language(labels)),
                )
                click.echo(f"{'segment':12}{times}  {100 * item['confidence']:5.1f} %  {name}")


@archive.command()
@library.filters
@click.option(
    "--rows",
    type=click.Choice(["recordings", "segments", "frames"]),
    default="recordings",
    show_default=True,
    help="A row for each recording as it was recognised, for each segment, or for each frame.",
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), default="csv", show_default=True)
@click.option(
    "--output",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to; Parquet needs it.  [default: standard output]",
)
@click.option("--embedding", is_flag=True, help="Embeddings of recordings too: in JSON lines and Parquet.")
@_OUTPUTS
def export(filters: tuple[str, ...], rows: str, form: str, output: Path | None, embedding: bool) -> int:
    """Write the archive as a table: of recordings, of their segments, or of their frames.

    Segments are in the archive, but for what heads hear; frames are read from the outputs directories. Both tables
    are those of `emovox table`, which reads outputs directories that are in no archive, too.

    \b
    emovox archive export > archive.csv
    emovox archive export --rows segments --filter tag=complaint > segments.csv
    emovox archive export --format parquet --embedding --output archive.parquet --filter model=lite

    Exit code: 0 all well, 1 some outputs directories can't be read (the others are in the table), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    output = None if output == Path("-") else output
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is no text: name a file with --output")
    if form == "csv" and embedding:
        raise click.UsageError("embeddings don't fit CSV: take --format jsonl or parquet")
    if rows != "recordings" and (embedding or form == "jsonl"):
        raise click.UsageError("JSON lines and embeddings are of --rows recordings alone")
    if form == "parquet":
        check(form)
    wanted = library.parse(filters)
    failures: Failures = []
    try:
        with library.read_archive() as kept:
            if form == "jsonl" or embedding:
                from emovox.archive import table as archived  # noqa: PLC0415  an extra

                write = archived.write_parquet if form == "parquet" else archived.write_jsonl
                with opened(output, form) as file:
                    write(kept.all(wanted), file, kept if embedding else None)
            else:
                write_archive(kept, wanted, rows, cast("Form", form), output, failures)
    finally:
        tell(failures)
    return 1 if failures else 0


@archive.command()
@library.filters
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@_LABELS
@_OUTPUTS
def stats(filters: tuple[str, ...], form: str, labels: str | None) -> None:
    """Count what is in the archive: by emotion, by day, by tag, by model.

    \b
    emovox archive stats
    emovox archive stats --filter tag=complaint --filter since=2026-11-01
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as kept:
        found = kept.stats(library.parse(filters))
    if form == "json":
        click.echo(json.dumps(vars(found), ensure_ascii=False, indent=2))
        return
    click.echo(f"{found.recordings} recordings ({clock(found.seconds)}), {found.recognitions} recognitions")
    emotions = {
        label(name, _language(labels)): found.by_emotion[name] for name in NAMES if name in found.by_emotion
    }
    parts = {"emotion": emotions, "day": found.by_day, "tag": found.by_tag, "model": found.by_model}
    for title, counts in parts.items():
        if counts:
            click.echo(f"\nby {title}")
            library.table(
                [
                    (f"  {printable(name)}", f"{count:8d}", f"{100 * count / found.recognitions:5.1f} %")
                    for name, count in counts.items()
                ]
            )


@archive.command(no_args_is_help=True)
@click.argument("name")
@click.argument("words", nargs=-1, metavar="ID|OUTPUTS_DIR...")
@library.filters
@click.option("--remove", is_flag=True, help="Take the tag off instead.")
@_OUTPUTS
def tag(name: str, words: tuple[str, ...], filters: tuple[str, ...], remove: bool) -> None:
    """Give recordings the tag NAME: those named, or those of a filter.

    \b
    emovox archive tag complaint 3f9a12c0ffee outputs/outputs_20240104_223000
    emovox archive tag november --filter since=2026-11-01 --filter until=2026-12-01
    emovox archive tag complaint 3f9a12c0ffee --remove
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as kept:
        chosen = sorted({item.sha256 for item in _chosen(kept, words, filters)})
        for sha256 in chosen:
            if remove:
                kept.untag(sha256, name)
            else:
                kept.tag(sha256, name)
    click.echo(f"{len(chosen)} recordings", err=True)


@archive.command(no_args_is_help=True)
@click.argument("words", nargs=-1, metavar="ID|OUTPUTS_DIR...")
@library.filters
@click.option("--keep-outputs", is_flag=True, help="Leave the outputs directories where they are.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@_OUTPUTS
def delete(words: tuple[str, ...], filters: tuple[str, ...], keep_outputs: bool, yes: bool) -> int:
    """Delete recordings and everything of them: recognitions, embeddings, tags, and their outputs directories.

    What was deleted is overwritten in an SQLite archive. Copies of the database made before it was migrated
    (outputs.db.before-…), and the recording itself where you keep it, are yours to delete.

    \b
    emovox archive delete 3f9a12c0ffee
    emovox archive delete --filter tag=withdrawn --yes
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as kept:
        chosen = {item.sha256 for item in _chosen(kept, words, filters)}
        found = [item for sha256 in sorted(chosen) for item in kept.lookup(sha256)]
        if not found:
            click.echo("nothing to delete", err=True)
            return 0
        directories = [
            item
            for item in found
            if not keep_outputs and item.outputs and os.path.isdir(item.outputs)  # noqa: PTH112
        ]
        for item in found:
            click.echo(library.line(item, settings().labels), err=True)
        question = f"Delete {len(chosen)} recordings and {len(directories)} outputs directories?"
        if not yes and not click.confirm(question, err=True):
            return 0
        failures = {item.outputs: reason for item in directories if (reason := _remove(item))}
        kept.delete(chosen)
    _forget_jobs([item.outputs for item in directories if item.outputs and item.outputs not in failures])
    for reason in failures.values():
        click.echo(f"Error: {printable(reason)}", err=True)
    return 1 if failures else 0


def _remove(found: "Found") -> str | None:
    """Remove an outputs directory, if it is still the one that was archived; else why not."""
    from emovox.archive.record import possible_ids  # noqa: PLC0415  an extra

    assert found.outputs is not None  # noqa: S101  whoever asks has looked
    try:
        if found.id not in possible_ids(found.outputs):
            return f"{found.outputs} holds another result by now, and was left"
        shutil.rmtree(found.outputs)
    except OSError as error:
        return f"{found.outputs} can't be deleted: {error}"
    return None


def _forget_jobs(removed: list[Path]) -> None:
    """Forget the service's jobs that made these outputs: they know the recordings' names."""
    from emovox.server.database import open_database, owner, state_directory  # noqa: PLC0415  an extra
    from emovox.server.jobs.jobs import Jobs  # noqa: PLC0415

    own = settings().outputs.resolve()
    names = [outputs.name for outputs in removed if outputs.parent.resolve() == own]
    if names and state_directory().is_dir():  # else no service has ever worked on these outputs
        database = open_database()
        Jobs(database, owner(state_directory())).forget_outputs(names)
        database.dispose()


def _chosen(kept: "Archive", words: tuple[str, ...], filters: tuple[str, ...]) -> "list[Found]":
    """What is named, or else what a filter finds."""
    if bool(words) == bool(filters):
        raise click.UsageError("name recordings, or a --filter, and not both")
    if words:
        return [item for word in words for item in _lookup(kept, word)]
    return list(kept.all(library.parse(filters)))


def _lookup(kept: "Archive", words: str) -> "list[Found]":
    found = kept.lookup(words)
    if not found:
        raise ArchiveError(
            f"{printable(words)}: nothing in the archive has this id, checksum or outputs directory; an id may be "
            "cut to eight letters or more"
        )
    return found


def _language(labels: str | None) -> str:
    return labels or settings().labels


def _bar(quiet: bool) -> rich.progress.Progress:
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet or not sys.stderr.isatty(),
    )
