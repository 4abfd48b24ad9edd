"""`emovox baseline`: fit, list, show, remove and export baselines."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from emovox.baselines import baseline as baselines
from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit as fit_baselines
from emovox.baselines.fitting import member_names
from emovox.baselines.removal import locked
from emovox.baselines.shift import movable
from emovox.cli import fitted, library, parameters
from emovox.cli.progress import Progress
from emovox.cli.report import counted, printable
from emovox.errors import AudioError, BaselineError, LabelsError
from emovox.inference.recognizer import Recognizer
from emovox.models.loading import PrecisionChoice
from emovox.models.metadata import Metadata
from emovox.notes import Notes, as_notes
from emovox.policy import SIDES, Side, Sides
from emovox.speech_embeddings import RecordingSource, SpeechEmbedding, embed_speech, find_sources

FEW = 12
"""Recordings that give nearly all that a hundred would."""
CHANNEL, FOLDER = "channel", "folder"


@click.group(no_args_is_help=True)
def baseline() -> None:
    """Fit baselines: what recordings of one voice, line or room have in common, whatever is felt.

    A baseline is made of recordings without labels; a dozen are enough. With it emotions are relative to
    what is usual there: half neutral is assumed unless --expect says otherwise.

    \b
    emovox baseline fit recordings/ --name line3
    emovox recognize call.mp3 --baseline line3
    emovox recognize call.mp3 --baseline line3 --expect neutral=0.8
    emovox baseline list
    """  # noqa: D301  click needs the backspace itself


@baseline.command(no_args_is_help=True)
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option("--name", required=True, help="What to call the baseline.")
@click.option(
    "--archive", is_flag=True, help="Of the embeddings in the archive, instead of SOURCE: without sound."
)
@library.filters
@click.option(
    "--group",
    metavar="COLUMN|channel|folder",
    help="Also make one for each value of a list's column, each channel, or each folder: NAME.VALUE; of the "
    "archive, of tags such as speaker:anna for --group speaker. With few recordings it leans on the whole. One "
    "voice by itself pays only if it shows several emotions.",
)
@click.option("--path-column", metavar="COLUMN", help="The column of recordings.  [default: path, file, …]")
@parameters.option(
    "side",
    help=f"Whose voices they are: {', '.join(SIDES)}; the baseline keeps it, and what is recognised with it is "
    "such a voice where nobody says whose it is. With --group channel one for each channel. By default what "
    "a list says in its column side, or side_1, side_2… of channels. The policy may allow no baseline of workers "
    "and pupils.",
)
@parameters.option("purpose", help="What SOURCE is taken for, in a few words, where a list doesn't say.")
@parameters.option("consent", help="Where the consent is kept, as 'form 12/2026', where a list doesn't say.")
@parameters.model(f"The model whose embeddings are used. {parameters.MODEL}  [default: auto]")
@parameters.precision("Of the arithmetic; the baseline can be used with another.")
@parameters.outputs("With --archive, the outputs whose archive it is.")
@click.option("--yes", "-y", is_flag=True, help="Replace existing baselines without asking.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no summary.")
def fit(
    sources: tuple[str, ...],
    name: str,
    archive: bool,
    filters: tuple[str, ...],
    group: str | None,
    path_column: str | None,
    side: Sides | None,
    purpose: str | None,
    consent: str | None,
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    yes: bool,
    quiet: bool,
) -> int:
    """Fit a baseline to recordings that are alike.

    SOURCE is a recording, a directory, a pattern, a list (CSV, TSV, JSON lines), or a directory of outputs. No
    labels are needed. Of each recording the speech counts, once; embeddings are cached, so that fitting again is
    quick. Of outputs the embedding.npy is taken if it is there, as it is. Nothing leaves this machine.

    With --archive the embeddings are taken that the archive has of what the filters select, the latest of each
    recording. Those are of the whole recording, pauses too, unless it was recognised with --speech-only.

    \b
    emovox baseline fit recordings/ --name line3
    emovox baseline fit calls.csv --name agents --group agent
    emovox baseline fit calls/ --name calls --group channel
    emovox baseline fit outputs/ --name line3
    emovox baseline fit --archive --filter tag=line3 --name line3

    Exit code: 0 all well, 1 some recordings could not be used (the baseline is of the others), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    baselines.check_name(name)
    if archive == bool(sources):
        raise click.UsageError(
            "name recordings or give --archive, not both" if archive else "name recordings, or --archive"
        )
    if archive and path_column is not None:
        raise click.UsageError("--path-column is of a list")
    if side is not None and archive and len(side) > 1:
        raise click.UsageError("--side of channels is of SOURCE: of what is in the archive name one")
    notes = as_notes(purpose, consent)
    if notes and archive:
        raise click.UsageError("--purpose and --consent are of SOURCE: the archive knows its own")
    if filters and not archive:
        raise click.UsageError("--filter is for the archive: add --archive")

    def recognizer() -> Recognizer:
        return Recognizer(
            model,
            precision=precision,
            mapping=mapping,
            notice=lambda line: None if quiet else click.echo(line, err=True),
            isolate=not archive,
        )

    if archive:
        own, failures = recognizer(), 0
        made = _of_archive(name, filters, group, own.metadata, None if side is None else side[0])
        _ask([item.name for item in made], yes=yes)
    else:
        items = _sources(sources, path_column)
        values = _groups(items, group)
        _ask([name, *([] if values is None else member_names(name, sorted(set(values))).values())], yes=yes)
        own = recognizer()
        made, failures = _of_recordings(name, items, group, side, notes, own, ", ".join(sources), quiet=quiet)
    with locked():
        for item in made:
            item.write(baselines.baseline_path(item.name))
    if not quiet:
        _tell(made, baselines.baseline_path(name), own)
    return 1 if failures else 0


def _ask(titles: Sequence[str], *, yes: bool) -> None:
    taken = [title for title in titles if baselines.baseline_path(title).exists()]
    if taken and not yes and not parameters.confirm(f"Replace {_some(taken)}?"):
        raise click.Abort


def _of_recordings(
    name: str,
    items: list[RecordingSource],
    group: str | None,
    sides: Sides | None,
    notes: Notes,
    recognizer: Recognizer,
    source: str,
    *,
    quiet: bool,
) -> tuple[list[Baseline], int]:
    """The baselines of recordings, and how many of those couldn't be used."""
    with Progress(len(items), shown=not quiet) as progress:
        embeddings, failures = embed_speech(
            items,
            recognizer,
            channels=group == CHANNEL,
            sides=sides,
            notes=notes,
            begin=progress.begin,
            end=progress.end,
        )
    for item, reason in failures:
        click.echo(f"Error: {printable(item)}: {reason}", err=True)
    if not embeddings:
        raise BaselineError(f"of {counted(len(items), 'recording')} none can be used")
    made = fit_baselines(
        name,
        [item.embedding for item in embeddings],
        recognizer.metadata,
        sha256s=[item.sha256 for item in embeddings],
        channels=[item.channel for item in embeddings],
        groups=None if group is None else [_value(item, group) for item in embeddings],
        sides=[item.side for item in embeddings],
        column=group or "",
        source=printable(source),
    )
    return made, len(failures)


def _of_archive(
    name: str, filters: tuple[str, ...], group: str | None, metadata: Metadata, side: Side | None
) -> list[Baseline]:
    where = library.parse(filters)
    from emovox.archive import fitting  # noqa: PLC0415  an extra

    source = " ".join(["the archive's embeddings, pauses too unless --speech-only", *filters])
    with library.read_archive(needed=True) as archive:
        return fitting.fit(archive, name, metadata, where, column=group, source=printable(source), side=side)


@baseline.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_baselines(form: str) -> int:
    """List your baselines: name, recordings, model, when and of what they were made.

    Exit code: 0 all well, 1 some can't be read (the others are listed).
    """
    items, code = fitted.read_all(Baseline)
    if form == "json":
        click.echo(json.dumps([_facts(item) for item in items], ensure_ascii=False, indent=2))
    elif items:
        heading = ("name", "recordings", "side", "model", "made", "source")
        library.table([heading, *(_row(item) for item in items)])
    else:
        click.echo("no baselines yet: make one with `emovox baseline fit RECORDINGS --name NAME`")
    return code


@baseline.command(no_args_is_help=True)
@click.argument("name", metavar="NAME|PATH")
def show(name: str) -> None:
    """Show how a baseline was made."""
    item = Baseline.find(name)
    group = item.group
    for key, value in {
        "baseline": item.name,
        "model": f"{item.model.name} {item.model.revision}",
        "made": f"{item.created_at.astimezone():%Y-%m-%d %H:%M}",
        "side": item.side,
        "of": counted(item.count, "recording") + (f": {printable(item.source)}" if item.source else ""),
        "group": group
        and f"{group.column} {printable(group.value)}, of {counted(group.count, 'recording')} in {group.name}",
        "checksum": item.checksum,
    }.items():
        if value:
            click.echo(f"{key:9} {value}")


@baseline.command(no_args_is_help=True)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def remove(names: tuple[str, ...], yes: bool) -> None:
    """Delete the baselines NAME."""
    for name in names:
        fitted.delete(Baseline, name, yes=yes)


@baseline.command(no_args_is_help=True)
@click.argument("name", metavar="NAME|PATH")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@fitted.overwrite
def export(name: str, file: Path, overwrite: bool) -> None:
    """Copy a baseline to FILE, to use it elsewhere: `--baseline FILE.json`.

    The copy doesn't say what it was made from, as that may be paths and people's names.
    """
    fitted.export(Baseline.find(name).anonymous, file, overwrite=overwrite)


def _sources(arguments: Sequence[str], column: str | None) -> list[RecordingSource]:
    items: dict[Path, RecordingSource] = {}
    for argument in dict.fromkeys(arguments):
        try:
            for item in find_sources(argument, column=column):
                items.setdefault(item.path, item)
        except (AudioError, LabelsError) as error:
            raise click.BadParameter(str(error), param_hint="SOURCE") from error
    return list(items.values())


def _groups(items: Sequence[RecordingSource], group: str | None) -> list[str] | None:
    """The group of each recording, as far as it is known before it is read."""
    if group is None or group == CHANNEL:
        return None
    if group != FOLDER and not any(group in item.columns for item in items):
        columns = ", ".join(dict.fromkeys(key for item in items for key in item.columns)) or "none"
        raise click.BadParameter(
            f"no list has a column {group!r}: there are {columns}; or choose channel or folder",
            param_hint="--group",
        )
    return [_of(item, group) for item in items]


def _of(item: RecordingSource, group: str) -> str:
    return item.path.absolute().parent.name if group == FOLDER else item.columns.get(group, "")


def _value(item: SpeechEmbedding, group: str) -> str:
    return str(item.channel) if group == CHANNEL else _of(item.source, group)


def _some(titles: Sequence[str]) -> str:
    many = f" and {len(titles) - 1} of its groups" if len(titles) > 1 else ""
    return f"the baseline {titles[0]}{many}"


def _tell(made: Sequence[Baseline], path: Path, recognizer: Recognizer) -> None:
    whole, *parts = made
    groups = f", and {counted(len(parts), 'group')} of them" if parts else ""
    click.echo(f"{whole.name}: {counted(whole.count, 'recording')}{groups}; saved as {path}", err=True)
    if whole.count < FEW:
        click.echo(f"{FEW} recordings would give nearly all that can be had", err=True)
    try:
        movable(recognizer.metadata)
    except BaselineError as error:
        click.echo(f"Warning: {error}", err=True)


def _facts(item: Baseline) -> dict[str, object]:
    numbers = dict.fromkeys(("sum", "squares", "recordings", "summands"), True)
    facts = item.model_dump(mode="json", exclude={**numbers, "group": {"sum"}})
    return {**facts, "checksum": item.checksum}


def _row(item: Baseline) -> tuple[str, ...]:
    return (
        item.name,
        str(item.count),
        item.side or "",
        f"{item.model.name} {item.model.revision}",
        f"{item.created_at.astimezone():%Y-%m-%d %H:%M}",
        printable(item.source),
    )
