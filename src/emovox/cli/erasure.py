"""`emovox archive erase` and `emovox archive expire`: everything of recordings goes, with a report."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from emovox import use_log
from emovox.cli import library, parameters
from emovox.cli.deletion import forget_jobs
from emovox.cli.report import counted, printable
from emovox.policy import policy
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive import Archive, ArchiveRecord
    from emovox.archive.erasure import Erasure

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The report's.",
)


@click.command(no_args_is_help=True)
@click.argument("names", nargs=-1, metavar="ID|OUTPUTS_DIR...")
@click.option("--tag", metavar="TAG", help="All recordings that have this tag, as person:anna.")
@library.filters
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@_FORMAT
@parameters.outputs("The outputs whose archive it is.")
def erase(names: tuple[str, ...], tag: str | None, filters: tuple[str, ...], yes: bool, form: str) -> int:
    """Erase everything of recordings, as of a person who withdraws, and report what went and what could not.

    That is the archive's recognitions, embeddings, tags and corrections, all outputs directories that it knows,
    cached embeddings, and what baselines have of them, which is subtracted. Heads can't be untrained: those that
    were trained on them are named, with the command that trains them again. The report also names the recordings
    themselves, which are yours. Copies, backups, and exports written elsewhere are unknown to it.

    \b
    emovox archive erase --tag person:anna
    emovox archive erase --filter 'consent=form 12/2026' --yes --format json > report.json
    emovox archive erase 3f9a12c0ffee

    Exit code: 0 all gone, 1 something is left (the report says what), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    words = (*filters, *([] if tag is None else [f"tag={tag}"]))
    with library.read_archive() as archive:
        sha256s = {record.sha256 for record in library.select(archive, names, words)}
        records = [record for sha256 in sorted(sha256s) for record in archive.lookup(sha256)]
        if not records:
            click.echo("nothing to erase", err=True)
            return 0
        for record in records:
            click.echo(library.line(record, settings().labels), err=True)
        if not yes and not parameters.confirm(f"Erase {counted(len(sha256s), 'recording')}?"):
            return 0
        return _erase(archive, records, form)


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Erase them; without it they are only listed.")
@_FORMAT
@parameters.outputs("The outputs whose archive it is.")
def expire(yes: bool, form: str) -> int:
    """Erase what is older than the policy keeps it, by purpose: its table [retention].

    A service with that policy does the same by itself, each minute. A recording that was also recognised for
    another purpose stays, without the recognitions that have expired.

    \b
    EMOVOX_POLICY=policy.toml emovox archive expire
    EMOVOX_POLICY=policy.toml emovox archive expire --yes

    Exit code: 0 all gone, 1 something is left (the report says what), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    rules = policy()
    if not rules.retention:
        raise click.UsageError("the policy has no [retention]: name a policy.toml that has one in EMOVOX_POLICY")
    with library.read_archive() as archive:
        from emovox.archive.erasure import expired  # noqa: PLC0415  an extra

        records = expired(archive, rules)
        if records and yes:
            return _erase(archive, records, form)
        for record in records:
            click.echo(library.line(record, settings().labels))
    hint = "--yes erases them" if records else "nothing has expired"
    click.echo(f"{counted(len(records), 'recognition')}: {hint}" if records else hint, err=True)
    return 0


def _erase(archive: "Archive", records: "list[ArchiveRecord]", form: str) -> int:
    from emovox.archive.erasure import erase as erase_records  # noqa: PLC0415  an extra

    sha256s = sorted({record.sha256 for record in records})
    use_log.log("deleted", recordings=sha256s, command=click.get_current_context().command_path)
    erasure = erase_records(archive, records)
    forget_jobs(erasure.outputs)
    if form == "json":
        click.echo(json.dumps(erasure.to_dict(), ensure_ascii=False, indent=2))
    else:
        for line in _report(erasure):
            click.echo(printable(line))
    return 0 if erasure.complete else 1


def _report(erasure: "Erasure") -> Iterator[str]:
    """What went, and what couldn't, in words."""
    counts = (
        (len(erasure.recordings), "recording"), (erasure.recognitions, "recognition"),
        (erasure.embeddings, "embedding"), (erasure.corrections, "correction"),
    )  # fmt: skip
    yield f"erased: {', '.join(counted(number, noun) for number, noun in counts)}"
    for directory in erasure.outputs:
        yield f"deleted: {directory}"
    for item in erasure.baselines:
        if item.reason:
            yield f"baseline {item.name} still has it: {item.reason}"
        else:
            yield f"baseline {item.name}: {'without it' if item.count else 'deleted, as it was of nothing else'}"
    for head in erasure.heads:
        sure = "was" if head.certain else "may have been"
        again = f"once its list is without it: {head.command}"
        yield f"head {head.name} {sure} trained on it, and can't be untrained; {again}"
    for left in erasure.left:
        yield f"still there: {left.what}: {left.reason}"
    for path in erasure.own:
        yield f"still there: {path}: the recording itself, which is yours to delete"
