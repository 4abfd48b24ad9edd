"""`emovox serve`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from emovox.cli import parameters
from emovox.errors import SettingsError
from emovox.packages import install, missing
from emovox.settings import given, settings

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
    """Say what to install if packages of the service are missing.

    Raises:
        SettingsError: one is.
    """
    if names := missing(EXTRA):
        packages = install(*(name.replace("_", "-") for name in names))
        raise SettingsError(f"the service needs more packages: {packages}")
    yield


def _transcriber(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.with_resource(given(transcriber=value))


def _label_studio(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.with_resource(given(label_studio_url=value))


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1, this machine only]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on; 0: any free port.  [default: 7860]"
)
@parameters.model("The default model.  [default: auto, the best one on disk]")
@click.option(
    "--transcriber",
    metavar="URL",
    callback=_transcriber,
    expose_value=False,
    help="A transcriber with OpenAI's interface, as http://localhost:8000/v1: /v1/audio/transcriptions sends it "
    "sound, and adds the emotions. Its key is the setting transcriber_key.  [default: none, and nothing is sent]",
)
@click.option(
    "--label-studio",
    metavar="URL",
    callback=_label_studio,
    expose_value=False,
    help="A Label Studio, as http://localhost:8080, whose recordings are fetched and pre-labelled: it asks "
    "/v1/label-studio. Its key is the setting label_studio_api_key.  [default: none]",
)
@click.option(
    "--no-keys", is_flag=True, help="Require no API keys, even if other machines can reach this address."
)
@parameters.outputs("Where results are saved; the archive is kept beside them.")
def serve(host: str | None, port: int | None, model: str | None, mapping: Path | None, no_keys: bool) -> int:
    """Start the service: the page and an HTTP API at http://localhost:7860, described at /docs.

    On any address but this machine's own it requires API keys: `emovox keys add NAME`.
    `emovox config show` lists the settings. Ctrl-C stops it.

    \b
    emovox serve
    emovox serve --port 8000 --outputs /data/outputs
    emovox serve --host 0.0.0.0
    """  # noqa: D301  click needs the backspace itself
    if model is not None:
        os.environ["EMOVOX_MODEL"] = model
    if mapping is not None:
        os.environ["EMOVOX_MAP"] = str(mapping)
    settings.cache_clear()
    options = settings().service
    with needing_server():
        from emovox.server.uvicorn_server import serve as run  # noqa: PLC0415  the service's packages are an extra

    return run(
        host=options.host if host is None else host,
        port=options.port if port is None else port,
        no_keys=no_keys or options.no_keys,
    )
