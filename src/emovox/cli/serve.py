"""`emovox serve`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from emovox.cli import parameters
from emovox.errors import SettingsError
from emovox.packages import install, missing
from emovox.settings import settings

EXTRA = (
    "alembic",
    "fastapi",
    "numkong",
    "prometheus_client",
    "python_multipart",
    "sqlalchemy",
    "uvicorn",
    "websockets",
)


@contextmanager
def needing_server() -> Iterator[None]:
    """Say what to install where the service's packages are missing.

    Raises:
        SettingsError: one is.
    """
    if names := missing(EXTRA):
        packages = install(*(name.replace("_", "-") for name in names))
        raise SettingsError(f"the service needs more packages: {packages}")
    yield


@click.command()
@click.option("--host", metavar="ADDRESS", help="Where to listen.  [default: 127.0.0.1, this machine alone]")
@click.option("--port", type=click.IntRange(0, 65535), help="Where to listen; 0: any free one.  [default: 7860]")
@click.option(
    "--model", metavar="NAME|PATH", help="What recognises by default.  [default: auto, the best on disk]"
)
@click.option(
    "--no-keys", is_flag=True, help="Demand no API keys, although other machines can reach this address."
)
@parameters.outputs("Where results go; the archive is beside it.")
def serve(host: str | None, port: int | None, model: str | None, no_keys: bool) -> int:
    """Start the service: an HTTP API at http://localhost:7860, described at /docs.

    On another address than this machine's own it demands API keys: `emovox keys add NAME`.
    `emovox config show` lists what can be set.
    """
    if model is not None:
        os.environ["EMOVOX_MODEL"] = model
        settings.cache_clear()
    options = settings().service
    with needing_server():
        from emovox.server.uvicorn_server import serve as run  # noqa: PLC0415  the service's packages are an extra

    return run(
        host=options.host if host is None else host,
        port=options.port if port is None else port,
        no_keys=no_keys or options.no_keys,
    )
