"""What the commands of heads and of baselines share: listing, exporting and deleting what a user fitted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from emovox.cli import parameters
from emovox.cli.report import printable
from emovox.models.fitted import Fitted

Kind = TypeVar("Kind", bound=Fitted)


def read_all(kind: type[Kind]) -> tuple[list[Kind], int]:
    """All of the user's that can be read, and the exit code: 1 if some can't, each of which is told."""
    items, code = [], 0
    for name in kind.names():
        try:
            items.append(kind.find(name))
        except kind.error as error:
            click.echo(f"Error: {printable(str(error))}", err=True)
            code = 1
    return items, code


def overwrite(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option of an export that replaces FILE."""
    return click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")(function)


def export(item: Fitted, file: Path, *, overwrite: bool) -> None:
    """Write a copy to a file, and say so; what is there is kept unless `overwrite`.

    Raises:
        click.BadParameter: there is a file.
        EmovoxError: as `item.error`: it can't be written.
    """
    if file.exists() and not overwrite:
        raise click.BadParameter(f"{file} is there already: --overwrite replaces it", param_hint="FILE")
    item.write(file)
    click.echo(file)


def delete(kind: type[Fitted], name: str, *, yes: bool, report: str | None = None) -> None:
    """Delete one by its name, after a question unless `yes`; and the file beside it with this suffix.

    Raises:
        EmovoxError: as `kind.error`: it can't be removed.
    """
    path = kind.path_of(name)
    if not path.exists():
        click.echo(f"no {kind.noun} {name}: nothing to remove")
    elif yes or parameters.confirm(f"Delete the {kind.noun} {name}?"):
        _unlink(kind, path)
        if report is not None:
            _unlink(kind, path.with_suffix(report))


def _unlink(kind: type[Fitted], path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise kind.error(f"{path}: can't be removed: {error.strerror or error}") from error
