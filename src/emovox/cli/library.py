"""What the archive's commands share: its packages, opening it, filters, and a record as one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.cells import cell_len, set_cell_size

from emovox import use_log
from emovox.cli import parameters
from emovox.cli.report import label, printable
from emovox.emotions import BY_NAME
from emovox.errors import ArchiveError, SettingsError, UnknownEmotionError
from emovox.packages import install, missing
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive import Archive, ArchiveRecord, Filter
    from emovox.archive.view import View

PACKAGES = ("sqlalchemy", "alembic", "numkong")
filters = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only these: emotion=angry, tag=calls, name=part, model=lite, revision=5.3, warning=quiet, "
    "baseline=line3 (that it was recognised with), side=customer, purpose=quality, 'consent=form 12', "
    "since=2026-11-01, until=2026-12-01, "
    "'arousal>0.7' (also >=, <, <=), myhead=promoter. If several are given, all must hold.",
)

_BASELINE = click.option(
    "--baseline",
    metavar="NAME|PATH|corpus|speaker|recognized",
    help="Show emotions relative to this baseline; filters by emotion mean those. corpus: to all that the other "
    "filters select; speaker: to each speaker's, by tags such as speaker:anna; recognized: each to what it was "
    "recognised with.  [default: raw, without any]",
)
_EXPECT = click.option(
    "--expect",
    metavar="NAME=SHARE,...",
    callback=parameters.expectation,
    help="Share of an emotion that the baseline's recordings are taken to have, as neutral=0.8.  [default: half "
    "neutral, half all others]",
)
Command = TypeVar("Command", bound=Callable[..., Any])


def relative(command: Command) -> Command:
    """The options of a view, which a command gets as `baseline` and `expect`."""
    return _BASELINE(_EXPECT(command))


def view(
    archive: "Archive", words: tuple[str, ...], baseline: str | None, expect: dict[str, float] | None
) -> "View":
    """What the options select, raw or relative.

    Raises:
        EmovoxError: as `View.of`.
    """
    where = parse(words)
    from emovox.archive.view import View  # noqa: PLC0415  an extra

    if expect is not None and baseline is None:
        raise click.UsageError("--expect says what the recordings of a baseline are like: give --baseline, too")
    return View.of(archive, where, baseline, expect=expect)


def need_library() -> None:
    """Check that the archive's packages are installed.

    Raises:
        SettingsError: one isn't.
    """
    if names := missing(PACKAGES):
        raise SettingsError(f"the archive needs more packages: {install(*names)}")


@contextmanager
def open_archive() -> "Iterator[Archive]":
    """The archive of the settings, to write to; it is made if it isn't there.

    Raises:
        SettingsError: it can't be opened, or its packages are missing.
    """
    need_library()
    from emovox.archive import Archive  # noqa: PLC0415  its packages are an extra

    with Archive() as archive:
        yield archive


@contextmanager
def read_archive(*, needed: bool = False) -> "Iterator[Archive]":
    """The archive of the settings, to read from: it isn't made if it isn't there. Says so if it is empty.

    Args:
        needed: whether an empty one is an error.

    Raises:
        ArchiveError: it is empty, and `needed`.
        SettingsError: as `open_archive`.
        UseLogError: it can't be logged.
    """
    need_library()
    from emovox.archive import Archive  # noqa: PLC0415  its packages are an extra
    from emovox.archive.database import archive_file  # noqa: PLC0415

    with Archive(make=False) as archive:
        if archive.is_empty():
            url = settings().database.get_secret_value()
            where = "the database that EMOVOX_DATABASE names" if url else printable(str(archive_file()))
            text = (
                f"the archive is empty ({where}): `emovox recognize --archive`, `emovox archive import` and the "
                "service fill it, if they have the same --outputs"
            )
            if needed:
                raise ArchiveError(text)
            click.echo(text, err=True)
        command = click.get_current_context().command_path
        use_log.log("exported" if command.endswith((" export", " table", " map")) else "read", command=command)
        yield archive


def parse(words: tuple[str, ...]) -> "Filter":
    """The filter of the options; a usage error if one can't be read."""
    need_library()
    from emovox.archive import Filter  # noqa: PLC0415

    try:
        return Filter.parse(words)
    except (ArchiveError, UnknownEmotionError) as error:
        raise click.BadParameter(str(error), param_hint="--filter") from error


def select(archive: "Archive", names: tuple[str, ...], filters: tuple[str, ...]) -> "list[ArchiveRecord]":
    """The records that are named, or else those that match the filters."""
    if bool(names) == bool(filters):
        raise click.UsageError("name recordings or give a --filter, not both")
    if names:
        return [record for name in names for record in lookup(archive, name)]
    return list(archive.all(parse(filters)))


def lookup(archive: "Archive", name: str) -> "list[ArchiveRecord]":
    """The records of an id, a checksum, the beginning of either, or an outputs directory.

    Raises:
        ArchiveError: there are none.
    """
    records = archive.lookup(name)
    if not records:
        raise ArchiveError(
            f"{printable(name)}: nothing in the archive has this id, checksum or outputs directory; give at least "
            "eight letters of an id"
        )
    return records


def line(record: "ArchiveRecord", language: str) -> str:
    """A record as one line: id, time, verdict, name, side, tags, and the baseline that it isn't relative to."""
    from emovox.archive.record import RAW  # noqa: PLC0415  an extra

    name = printable(record.name or (record.outputs.name if record.outputs else record.sha256[:12]))
    channel = "" if record.channel is None else f" [{record.channel}]"
    side = "" if record.side is None else f"  ({record.side})"
    tags = "".join(f"  #{printable(tag)}" for tag in record.tags)
    time = record.created.strftime("%Y-%m-%d %H:%M")
    facts = record.baseline if record.relative_to == RAW else None
    baseline = "" if facts is None else f"  (recognised with {printable(facts.name)})"
    return f"{record.id[:12]}  {time}  {verdict(record, language)}  {name}{channel}{side}{tags}{baseline}"


def verdict(record: "ArchiveRecord", language: str) -> str:
    """The headline; without one the emotion, or what the first readout says; 22 cells, or more."""
    if (brief := record.summary) is not None:
        emoji = BY_NAME[brief.classes[0]].emoji if brief.classes and brief.readout is None else ""
        headline = printable(f"{emoji} {brief.headline.in_language(language)}".strip())
        return classified(headline, brief.score) if brief.score is not None else headline.ljust(22)
    if record.emotion is not None:
        return classified(f"{BY_NAME[record.emotion].emoji} {label(record.emotion, language)}", record.confidence)
    for item in record.readouts.values():
        if item.values:
            return f"{', '.join(f'{printable(name)} {value:.2f}' for name, value in item.values.items()):22}"
        return classified(printable(item.label or ""), item.confidence)
    return classified("–", None)


def classified(name: str, confidence: float | None) -> str:
    """A class and its score, in 22 cells."""
    return set_cell_size(name, 13) + (9 * " " if confidence is None else f"  {100 * confidence:5.1f} %")


def table(rows: list[tuple[Any, ...]]) -> None:
    """Print rows in columns as wide as they need."""
    widths = [max(cell_len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [set_cell_size(str(cell), width) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
