"""`emovox archive watch`."""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emovox.cli import library, parameters
from emovox.cli.report import printable
from emovox.errors import ArchiveError
from emovox.settings import settings
from emovox.signature import SIGNATURE, sign

if TYPE_CHECKING:
    from emovox.archive import Found

ATTEMPTS = 3
TIMEOUT = 10.0  # seconds


@click.command()
@click.argument("root", required=False, type=click.Path(path_type=Path), metavar="[OUTPUTS]")
@click.option(
    "--run",
    "command",
    metavar="COMMAND",
    help="Run this for each: {} becomes its directory, and JSON is on its standard input.",
)
@click.option(
    "--webhook", metavar="URL", help="Tell this address, signed with EMOVOX_WEBHOOK_SECRET if that is set."
)
@click.option("--model", metavar="NAME[@REVISION]", help="Of results that don't say which model they are from.")
@click.option(
    "--every",
    type=click.FloatRange(0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@parameters.outputs("The outputs whose archive it is.")
def watch(
    root: Path | None, command: str | None, webhook: str | None, model: str | None, every: float, once: bool
) -> int:
    """Archive the outputs directories that are completed under OUTPUTS, as they come, until interrupted.

    What is there already is archived first. For each new one a command can be run and an address told; what fails
    is said, and doesn't stop the others. COMMAND is no shell's: write `sh -c '…' {}` where it should be.

    \b
    emovox archive watch
    emovox archive watch outputs/ --run 'python after.py {}'
    emovox archive watch --webhook https://example.org/emotions
    """  # noqa: D301  click needs the backspace itself
    words = _split(command)
    if webhook and not webhook.startswith(("http://", "https://")):
        raise click.BadParameter("an address begins with http:// or https://", param_hint="--webhook")
    library.need_library()
    from emovox.archive.watching import Watch  # noqa: PLC0415  an extra

    code = 0
    root = root or settings().outputs
    if not os.path.isdir(root):  # noqa: PTH112  what nobody may look at raises no error here
        click.echo(f"{printable(str(root))} is not there yet", err=True)
    with library.open_archive() as kept:
        known = {os.path.abspath(path) for path in kept.known_outputs()}  # noqa: PTH100  links stay as they are
        looking = Watch(root, model=model, known=lambda path: os.path.abspath(path) in known)  # noqa: PTH100
        for record in looking.look() if once else looking.run(every=every):
            if isinstance(record, ArchiveError):
                click.echo(f"Error: {printable(str(record))}", err=True)
                code = 1
                continue
            kept.add_records([record])
            # It is new here even where whoever made it, as the service does, archived it at once. A copy of what
            # is somewhere else isn't.
            found = kept.by_outputs(record.outputs) if record.outputs else None
            if found is None:
                continue
            click.echo(library.line(found, settings().labels))
            reasons = [_run(words, found) if words else None, _tell(webhook, found) if webhook else None]
            for reason in filter(None, reasons):
                click.echo(f"Error: {printable(reason)}", err=True)
                code = 1
    return code


def _split(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise click.BadParameter(f"{error}", param_hint="--run") from error


def _run(words: list[str], found: "Found") -> str | None:
    """Run a command; or why it failed."""
    whole = [word.replace("{}", str(found.outputs)) for word in words]
    try:
        ended = subprocess.run(whole, input=json.dumps(found.to_dict(), ensure_ascii=False).encode(), check=False)
    except OSError as error:
        return f"{words[0]}: {error.strerror or error}"
    return f"{words[0]} ended with {ended.returncode} for {found.outputs}" if ended.returncode else None


def _tell(url: str, found: "Found") -> str | None:
    """Tell an address; or why it couldn't be."""
    import httpx  # noqa: PLC0415  nothing else may even load what goes online

    body = json.dumps({"event": "output.archived", "output": found.to_dict()}, ensure_ascii=False).encode()
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep(0.5 * (2**attempt - 1))
        moment = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "Emovox"}
        if secret := settings().service.webhook_secret.get_secret_value():
            headers[SIGNATURE] = sign(secret, moment, body)
        try:
            answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = type(error).__name__
            continue
        if answer.is_success:
            return None
        reason = f"it answers {answer.status_code}"
    return f"webhook: {reason}, for {found.outputs}"
