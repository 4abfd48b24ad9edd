"""`emovox archive delete`."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emovox import use_log
from emovox.baselines.removal import Holder, holders, take_out
from emovox.cli import library, parameters
from emovox.cli.report import counted, printable
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive import Archive


@click.command(no_args_is_help=True)
@click.argument("names", nargs=-1, metavar="ID|OUTPUTS_DIR...")
@library.filters
@click.option("--keep-outputs", is_flag=True, help="Don't delete the outputs directories.")
@click.option(
    "--baselines",
    type=click.Choice(["refit", "keep"]),
    help="Take the recordings out of the baselines that were made of them, or leave them in.  [default: ask; with "
    "--yes, refit]",
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@parameters.outputs("The outputs whose archive it is.")
def delete(
    names: tuple[str, ...], filters: tuple[str, ...], keep_outputs: bool, baselines: str | None, yes: bool
) -> int:
    """Delete recordings from the archive: recognitions, embeddings, tags, and their outputs directories.

    Your baselines that were made of them are named, and fitted again without them: their embeddings are
    subtracted. Where what was summed isn't stored any more it is said how to fit them again.

    An SQLite archive overwrites what is deleted. Copies of the database from before a migration
    (outputs.db.before-…) and your own recordings are left: delete them yourself.

    \b
    emovox archive delete 3f9a12c0ffee
    emovox archive delete --filter tag=withdrawn --yes

    Exit code: 0 all well, 1 some outputs directories are still there, or some baselines still have them, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        sha256s = {record.sha256 for record in library.select(archive, names, filters)}
        records = [record for sha256 in sorted(sha256s) for record in archive.lookup(sha256)]
        if not records:
            click.echo("nothing to delete", err=True)
            return 0
        stored = [
            record
            for record in records
            if not keep_outputs and record.outputs and os.path.isdir(record.outputs)  # noqa: PTH112
        ]
        for record in records:
            click.echo(library.line(record, settings().labels), err=True)
        question = f"Delete {counted(len(sha256s), 'recording')} and the outputs of {len(stored)}?"
        if not yes and not parameters.confirm(question):
            return 0
        use_log.log("deleted", recordings=sorted(sha256s), command=click.get_current_context().command_path)
        held = _take_out(archive, sha256s, baselines or ("refit" if yes else None))
        from emovox.archive.erasure import erase  # noqa: PLC0415  an extra

        erasure = erase(archive, records, baselines=False, outputs=not keep_outputs)
    forget_jobs(erasure.outputs)
    failures = erasure.left
    for item in failures:
        click.echo(f"Error: {printable(f'{item.what}: {item.reason}')}", err=True)
    return 1 if failures or held else 0


def _take_out(archive: "Archive", sha256s: Collection[str], choice: str | None) -> bool:
    """Take recordings out of baselines, while their embeddings are there; gives whether one still has them."""
    from emovox.archive.vectors import stored_embeddings  # noqa: PLC0415  an extra

    baselines = holders(sha256s)
    if not baselines:
        return False
    click.echo(f"baselines that were made of them: {', '.join(map(_holder, baselines))}", err=True)
    if choice is None:
        took = parameters.confirm("Take them out of these baselines?", option="--baselines", default=True)
        choice = "refit" if took else "keep"
    if choice == "keep":
        click.echo("Warning: they stay in these baselines", err=True)
        return False
    still = False
    for item in take_out(sha256s, lambda sha256: stored_embeddings(archive, sha256)):
        if item.reason:
            still = True
            made = f" (it was made of {item.source})" if item.source else ""
            click.echo(f"Error: the baseline {printable(item.name)}: {printable(item.reason + made)}", err=True)
        elif item.count:
            click.echo(f"{printable(item.name)}: without them, of {counted(item.count, 'recording')}", err=True)
        else:
            click.echo(f"{printable(item.name)}: deleted, as it was of nothing else", err=True)
    return still


def _holder(item: Holder) -> str:
    return printable(item.name) + ("" if item.certain else " (perhaps)")


def forget_jobs(paths: list[Path]) -> None:
    """Forget the service's jobs that made these outputs: they hold the recordings' names."""
    from emovox.server.database import open_database, owner, state_directory  # noqa: PLC0415  an extra
    from emovox.server.jobs.jobs import Jobs  # noqa: PLC0415

    root = settings().outputs.resolve()
    names = [path.name for path in paths if path.parent.resolve() == root]
    if names and state_directory().is_dir():  # else no service has ever worked on these outputs
        database = open_database()
        Jobs(database, owner(state_directory())).forget_outputs(names)
        database.dispose()
