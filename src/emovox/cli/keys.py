"""`emovox keys`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from emovox.cli import parameters
from emovox.cli.report import printable

if TYPE_CHECKING:
    from emovox.server.keys import Keys

_OUTPUTS = parameters.outputs("The service's outputs.")


@click.group(no_args_is_help=True)
def keys() -> None:
    """Create, list and remove the API keys that the service requires on any address but this machine's own.

    \b
    emovox keys add ann
    emovox keys list
    emovox keys remove ID
    """  # noqa: D301  click needs the backspace itself


@contextmanager
def _keys(*, make: bool) -> "Iterator[Keys]":
    from emovox.cli.serve import needing_server  # noqa: PLC0415  the service's packages are an extra

    with needing_server():
        from emovox.server.database import open_database  # noqa: PLC0415
        from emovox.server.keys import Keys  # noqa: PLC0415
    database = open_database(make=make)
    try:
        yield Keys(database)
    finally:
        database.dispose()


@keys.command(no_args_is_help=True)
@click.argument("name")
@_OUTPUTS
def add(name: str) -> None:
    """Create a key called NAME and print it. It is shown only once: only its hash is stored."""
    with _keys(make=True) as store:
        click.echo(store.add(name))


@keys.command("list")
@_OUTPUTS
def list_keys() -> None:
    """List the keys: id, creation time, name."""
    with _keys(make=False) as store:
        rows = store.all()
    for key in rows:
        click.echo(f"{key.id}  {key.created}  {printable(key.name)}")


@keys.command(no_args_is_help=True)
@click.argument("id_", metavar="ID")
@_OUTPUTS
def remove(id_: str) -> int:
    """Remove the key ID: it gives access no longer."""
    with _keys(make=False) as store:
        removed = store.remove(id_)
    if removed:
        click.echo(f"{id_} removed")
        return 0
    click.echo(f"Error: no key has the id {printable(id_)}", err=True)
    return 1
