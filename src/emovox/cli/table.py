"""`emovox table`: one table of many recordings."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from emovox import use_log
from emovox.cli import library, parameters
from emovox.cli.report import printable
from emovox.errors import ArchiveError, ExportError, OutputsError
from emovox.exports import Part, audformat, check_formats, replacement
from emovox.exports.columns import Layout
from emovox.exports.table import Rows, Source, Table, read, survey
from emovox.outputs import find_directories
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.record import ArchiveRecord
    from emovox.archive.view import View

Form = Literal["csv", "parquet", "audformat"]
Failures = list[tuple[Path, str]]
"""Directories that can't be read, and why."""

Item = TypeVar("Item")
_HOW = {"segments": "--segments", "frames": "--granularity frame"}


@click.command(no_args_is_help=True)
@click.argument("rows", type=click.Choice(["recordings", "segments", "frames"]))
@click.argument("paths", nargs=-1, metavar="[DIR...]", type=click.Path(path_type=Path))
@click.option("--archive", "of_archive", is_flag=True, help="Of what is in the archive, instead of DIR.")
@library.filters
@library.relative
@parameters.outputs("What is read if no DIR is named; with --archive, the outputs whose archive it is.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="FILE.csv, FILE.parquet, or NAME.audformat: a folder that audformat loads, of recordings or segments.  "
    "[default: CSV on standard output]",
)
def table(
    rows: str,
    paths: tuple[Path, ...],
    of_archive: bool,
    filters: tuple[str, ...],
    baseline: str | None,
    expect: dict[str, float] | None,
    out: Path | None,
) -> int:
    """Write one table of many recordings: a row for each recording, segment, or frame.

    Of the outputs directories DIR and all below them, or of the archive. The rows of segments and frames have the
    columns of `emovox export`, after `path`, where the recording was (its name, if only that is known), and
    `outputs`, its directory. The rows of recordings are those of `emovox archive export`.

    Segments come with `emovox recognize --segments`, frames with `--granularity frame`; a recording without them
    has no rows. A directory that can't be read is named, and doesn't stop the others.

    \b
    emovox table segments outputs/ > segments.csv
    emovox table frames outputs/ --out frames.parquet
    emovox table recordings outputs/ --out clips.audformat
    emovox table segments --archive --filter tag=complaint --out complaints.csv

    Exit code: 0 all well, 1 some directories can't be read (the others are in the table), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    out = None if out == Path("-") else out
    form = _form(out)
    if form == "audformat" and rows == "frames":
        raise click.UsageError("audformat has tables of recordings and of segments: write frames as Parquet")
    if of_archive and paths:
        raise click.UsageError("name directories or give --archive, not both")
    if (filters or baseline is not None or expect is not None) and not of_archive:
        raise click.UsageError("--filter, --baseline and --expect are for the archive: add --archive")
    failures: Failures = []
    try:
        if of_archive:
            with library.read_archive() as archive:
                view = library.view(archive, filters, baseline, expect)
                write_archive(view, rows, form, out, failures)
        else:
            directories = _directories(paths or (settings().outputs,), failures)
            use_log.log("exported", outputs=[path.name for path in directories], command="emovox table")
            if rows == "recordings":
                write_recordings(_records(directories, failures), _layout(directories), form, out, failures)
            else:
                _write_sources(
                    (Source(None, path) for path in directories), cast("Part", rows), form, out, failures
                )
    finally:
        tell(failures)
    return 1 if failures else 0


def write_archive(
    view: "View",
    rows: str,
    form: Form,
    out: Path | None,
    failures: Failures,
) -> None:
    """Write the table of what is in the archive: segments as it has them, frames from the outputs directories.

    Args:
        view: what is written of the archive.
        rows: recordings, segments or frames.
        form: of the file.
        out: the file; None: standard output.
        failures: gets the directories that can't be read, and why.
    """
    from emovox.archive import table as archive_table  # noqa: PLC0415  an extra

    if rows == "recordings":
        layout = archive_table.layout_of(view)
        write_recordings(view.records(), layout, form, out, failures)
    elif rows == "segments":
        output = Table("segments", archive_table.segment_layout(view))
        _write(output, archive_table.segments(view), form, out, failures)
    elif view.relative is not None:
        raise click.UsageError("frames are as they were recognised, and their files say relative to what")
    else:
        _write_sources(archive_table.sources(view.records()), "frames", form, out, failures)


def write_recordings(
    records: "Iterator[ArchiveRecord]", layout: Layout, form: Form, out: Path | None, failures: Failures
) -> None:
    """Write a row for each record, as in the archive's export, with the columns of readouts."""
    from emovox.archive import table as archive_table  # noqa: PLC0415  what others needn't load

    records = _some(records, failures)
    if form == "audformat":
        assert out is not None  # noqa: S101  its name says the form
        _database(out, "recordings", audformat.recording_columns(layout), archive_table.rows(records, layout))
        return
    with opened(out, form) as file:
        if form == "parquet":
            archive_table.write_parquet(records, file, layout)
        else:
            archive_table.write_csv(records, file, layout)


@contextmanager
def opened(out: Path | None, form: str) -> Iterator[IO[Any]]:
    """A file to write, which appears only if all goes well, or standard output; binary for Parquet, else text."""
    if out is None:
        with click.open_file("-", "w", encoding="utf-8") as file:
            yield file
        return
    with replacement.replacing(out) as binary:
        if form == "parquet":
            yield binary
            return
        text = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield text
        text.detach()  # flushes, and leaves it to `replacing` to close the file


def check(form: str) -> None:
    """A usage error if a format's package isn't installed, before anything is read."""
    try:
        check_formats([form])
    except ExportError as error:
        raise click.UsageError(str(error)) from error


def tell(failures: Iterable[tuple[Path, str]]) -> None:
    """Print the directories that can't be read, and why."""
    for path, reason in failures:
        where = "" if reason.startswith(str(path)) else f"{path}: "
        click.echo(f"Error: {printable(where + reason)}", err=True)


def _form(out: Path | None) -> Form:
    if out is None:
        return "csv"
    form = out.suffix.lower().removeprefix(".")
    if form not in {"csv", "parquet", "audformat"}:
        raise click.BadParameter(f"{out.name}: name it .csv, .parquet or .audformat", param_hint="--out")
    if form == "audformat":
        return "audformat"
    if out.is_dir():
        raise click.BadParameter(f"{out} is a directory", param_hint="--out")
    check(form)
    return cast("Form", form)


def _directories(paths: Iterable[Path], failures: Failures) -> list[Path]:
    directories: list[Path] = []
    for path in paths:
        try:
            directories += find_directories(path, failed=lambda path, reason: failures.append((path, reason)))
        except OutputsError as error:
            failures.append((path, str(error)))
    return list(dict.fromkeys(directories))


def _records(directories: Iterable[Path], failures: Failures) -> "Iterator[ArchiveRecord]":
    from emovox.archive.outputs_directory import read_directory  # noqa: PLC0415  what others needn't load

    for directory in directories:
        try:
            yield read_directory(directory)
        except ArchiveError as error:
            failures.append((directory, str(error)))


def _layout(directories: Iterable[Path]) -> Layout:
    """The columns of readouts, by the results that can be read."""
    from emovox.archive.outputs_directory import read_readouts  # noqa: PLC0415  what others needn't load

    layout = Layout()
    for directory in directories:
        layout.add(read_readouts(directory))
    return layout


def _write_sources(
    sources: Iterable[Source], part: Part, form: Form, out: Path | None, failures: Failures
) -> None:
    def failed(path: Path, reason: str) -> None:
        failures.append((path, reason))

    readable, layout = survey(sources, part, failed)
    _write(Table(part, layout), read(readable, part, failed), form, out, failures)


def _write(output: Table, recordings: Iterator[Rows], form: Form, out: Path | None, failures: Failures) -> None:
    recordings = _some(recordings, failures)
    if form == "audformat":
        assert out is not None  # noqa: S101  its name says the form
        rows = audformat.segment_rows(output.counted(recordings), output.layout)
        _database(out, "segments", audformat.segment_columns(output.layout), rows)
    else:
        _write_file(output, recordings, form, out)
    if output.empty:
        click.echo(
            f"{output.empty} of {output.recordings} recordings have no {output.part}: recognise them with "
            f"{_HOW[output.part]}",
            err=True,
        )


def _database(out: Path, table: str, columns: Mapping[str, type], rows: Iterable[audformat.Row]) -> None:
    if left_out := audformat.write(out, table, columns, rows):
        click.echo(
            f"{left_out} rows left out: audformat has one for a file, or for a part of it, as of several channels",
            err=True,
        )


def _write_file(output: Table, recordings: Iterator[Rows], form: Form, out: Path | None) -> None:
    with opened(out, form) as file:
        if form == "parquet":
            output.write_parquet(recordings, file)
        else:
            output.write_csv(recordings, file)


def _some(items: Iterator[Item], failures: Failures) -> Iterator[Item]:
    """What there is to write; if none can be read the command ends: no table is better than an empty one."""
    first = next(items, None)
    if first is None:
        if failures:
            raise click.exceptions.Exit(1)
        return items
    return chain([first], items)
