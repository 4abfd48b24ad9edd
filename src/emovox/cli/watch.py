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
    from emovox.archive import ArchiveRecord

ATTEMPTS = 3
TIMEOUT = 10.0  # seconds


@click.command()
@click.argument("root", required=False, type=click.Path(path_type=Path), metavar="[OUTPUTS]")
@click.option(
    "--run",
    "command",
    metavar="COMMAND",
    help="Run this for each: {} becomes its directory, and its standard input is JSON.",
)
@click.option(
    "--webhook", metavar="URL", help="Post each to this address, signed if EMOVOX_WEBHOOK_SECRET is set."
)
@click.option("--model", metavar="NAME[@REVISION]", help="For results that don't name their model.")
@click.option(
    "--every",
    type=click.FloatRange(0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="Look only once.")
@parameters.outputs("The outputs whose archive it is.")
def watch(
    root: Path | None, command: str | None, webhook: str | None, model: str | None, every: float, once: bool
) -> int:
    """Archive outputs directories as they are completed under OUTPUTS, until interrupted.

    Those that are there already are archived first. For each new one a command can be run and an address notified;
    failures are printed, and don't stop the others. COMMAND isn't run in a shell: for one, write `sh -c '…' {}`.

    \b
    emovox archive watch
    emovox archive watch outputs/ --run 'python after.py {}'
    emovox archive watch --webhook https://example.org/emotions
    """  # noqa: D301  click needs the backspace itself
    words = _split(command)
    if webhook and not webhook.startswith(("http://", "https://")):
        raise click.BadParameter("an address starts with http:// or https://", param_hint="--webhook")
    library.need_library()
    from emovox.archive.watching import Watch  # noqa: PLC0415  an extra

    code = 0
    root = root or settings().outputs
    if not os.path.isdir(root):  # noqa: PTH112  what may not be read raises no error here
        click.echo(f"{printable(str(root))} is not there yet", err=True)
    with library.open_archive() as archive:
        known = {os.path.abspath(path) for path in archive.known_outputs()}  # noqa: PTH100  links stay as they are
        watcher = Watch(
            root,
            model=model,
            known=lambda names: [name for name in names if os.path.abspath(root / name) in known],  # noqa: PTH100
        )
        for item in watcher.look() if once else watcher.run(every=every):
            if isinstance(item, ArchiveError):
                click.echo(f"Error: {printable(str(item))}", err=True)
                code = 1
                continue
            archive.add_records([item])
            # New here means even if its maker, as the service does, archived it at once; but a copy of one that is
            # archived from elsewhere isn't new.
            record = archive.by_outputs(item.outputs) if item.outputs else None
            if record is None:
                continue
            click.echo(library.line(record, settings().labels))
            reasons = [_run(words, record) if words else None, _post(webhook, record) if webhook else None]
            for reason in filter(None, reasons):
                click.echo(f"Error: {printable(reason)}", err=True)
                code = 1
    return code


def _split(command: str | None) -> list[str]:
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise click.BadParameter(f"{error}", param_hint="--run") from error


def _run(words: list[str], record: "ArchiveRecord") -> str | None:
    """Run a command; gives why it failed, if it did."""
    command = [word.replace("{}", str(record.outputs)) for word in words]
    content = json.dumps(record.to_dict(), ensure_ascii=False).encode()
    try:
        code = subprocess.run(command, input=content, check=False).returncode
    except OSError as error:
        return f"{words[0]}: {error.strerror or error}"
    return f"{words[0]} failed with exit code {code} for {record.outputs}" if code else None


def _post(url: str, record: "ArchiveRecord") -> str | None:
    """Notify an address; gives why it failed, if it did."""
    import httpx  # noqa: PLC0415  nothing else may even load what goes online

    body = json.dumps({"event": "output.archived", "output": record.to_dict()}, ensure_ascii=False).encode()
    reason = ""
    for attempt in range(ATTEMPTS):
        time.sleep(0.5 * (2**attempt - 1))
        timestamp = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "Emovox"}
        if secret := settings().service.webhook_secret.get_secret_value():
            headers[SIGNATURE] = sign(secret, timestamp, body)
        try:
            answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = type(error).__name__
            continue
        if answer.is_success:
            return None
        reason = f"the answer is {answer.status_code}"
    return f"webhook: {reason}, for {record.outputs}"
