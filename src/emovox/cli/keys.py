"""`emovox keys`."""

from typing import TYPE_CHECKING

import click

from emovox.cli.report import printable

if TYPE_CHECKING:
    from emovox.server.keys import Keys


@click.group(no_args_is_help=True)
def keys() -> None:
    """Make, list and remove the keys that the service demands on any address but this machine's own."""


def _keys() -> "Keys":
    from emovox.cli.serve import needing_server  # noqa: PLC0415  the service's packages are an extra

    with needing_server():
        from emovox.server.database import open_database  # noqa: PLC0415
        from emovox.server.keys import Keys  # noqa: PLC0415
    return Keys(open_database())


@keys.command(no_args_is_help=True)
@click.argument("name")
def add(name: str) -> None:
    """Make a key called NAME and print it, this once: only its hash is kept."""
    click.echo(_keys().add(name))


@keys.command("list")
def list_keys() -> None:
    """List the keys: id, when made, name."""
    for key in _keys().all():
        click.echo(f"{key.id}  {key.created}  {printable(key.name)}")


@keys.command(no_args_is_help=True)
@click.argument("id_", metavar="ID")
def remove(id_: str) -> int:
    """Remove the key ID: from now on it opens nothing."""
    if _keys().remove(id_):
        click.echo(f"{id_} removed")
        return 0
    click.echo(f"Error: no key has the id {printable(id_)}", err=True)
    return 1
