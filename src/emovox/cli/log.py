"""`emovox log`: the log of use."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from emovox import use_log
from emovox.cli.report import counted
from emovox.settings import settings
from emovox.spreadsheets import writer

COLUMNS = (
    "number", "at", "who", "action", "recordings", "recordings_count", "outputs", "outputs_count", "model",
    "policy", "side", "outcome", "route", "command", "job", "previous", "sha256",
)  # fmt: skip
_FILE = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group(no_args_is_help=True)
def log() -> None:
    """Show and verify the log of use: who had what recognised, read, exported or deleted, and when.

    It is kept where the setting `use_log` (EMOVOX_USE_LOG) names a file, by the command and the service alike, and
    only ever appended to. It holds names of keys or accounts, checksums of recordings and names of outputs
    directories, and nothing of what was said or inferred. Each entry has the checksum of the one before.

    \b
    EMOVOX_USE_LOG=/var/log/emovox/use.jsonl emovox serve
    emovox log verify
    emovox log export --format csv > use.csv
    """  # noqa: D301  click needs the backspace itself


@log.command()
@_FILE
@click.option("--contains", metavar="SHA256", help="The checksum of an entry, noted before, that must be there.")
def verify(file: Path | None, contains: str | None) -> int:
    """Recompute the chain of FILE, by default of the log of the settings.

    Entries that were changed, taken out, put in or moved are named by their lines. Entries cut off at the end
    leave a shorter chain that is whole: note the last checksum somewhere else from time to time, and ask for it
    with --contains.

    \b
    emovox log verify
    emovox log verify use.jsonl --contains 3f9a12c0…

    Exit code: 0 the chain is whole, 1 it isn't, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    result = use_log.verify(_named(file), contains)
    for fault in result.faults:
        click.echo(f"Error: {fault}", err=True)
    if result.contains is False:
        click.echo(f"Error: {contains} is not in the chain: entries were cut off, or it is another log", err=True)
    click.echo(f"{counted(result.count, 'line')}, checksum of the last: {result.head}")
    return 1 if result.faults or result.contains is False else 0


@log.command()
@_FILE
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--who", help="Only what this one did, such as 'key 7c…' or 'account ann'.")
@click.option("--action", type=click.Choice(use_log.ACTIONS), help="Only this.")
@click.option("--recording", metavar="SHA256", help="Only about this recording; the checksum's beginning will do.")
@click.option("--since", metavar="DATE", help="Only from this day or time on, such as 2026-11-01.")
def export(
    file: Path | None, form: str, who: str | None, action: str | None, recording: str | None, since: str | None
) -> None:
    """Write entries of FILE, by default of the log of the settings.

    \b
    emovox log export --action deleted
    emovox log export --recording 3f9a12c0 --format csv > one.csv
    """  # noqa: D301  click needs the backspace itself
    write = writer(sys.stdout)
    if form == "csv":
        write(COLUMNS)
    for _, entry in use_log.entries(_named(file)):
        if entry is None or (who and entry.get("who") != who) or (action and entry.get("action") != action):
            continue
        if since and str(entry.get("at")) < since:
            continue
        if recording and not any(item.startswith(recording) for item in entry.get("recordings", ())):
            continue
        if form == "csv":
            write(_cell(entry.get(name, "")) for name in COLUMNS)
        else:
            click.echo(json.dumps(entry, ensure_ascii=False))


def _named(file: Path | None) -> Path:
    path = file or settings().use_log
    if path is None:
        raise click.UsageError("there is no log of use: name its FILE, or set use_log (EMOVOX_USE_LOG)")
    return path


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value
