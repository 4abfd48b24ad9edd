"""`emovox mcp`."""

from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from emovox.cli import library, parameters
from emovox.errors import SettingsError
from emovox.inference.options import Options
from emovox.models.loading import PrecisionChoice
from emovox.packages import install, missing
from emovox.policy import Sides
from emovox.silence import trace_nothing


def _folders(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for text in value:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise click.BadParameter("write NAME=DIR, as interviews=/data/interviews", context, parameter)
        if name in folders:
            raise click.BadParameter(f"{name} is granted twice", context, parameter)
        folders[name] = Path(path)
    return folders


@click.command()
@click.option(
    "--folder",
    "folders",
    multiple=True,
    callback=_folders,
    metavar="NAME=DIR",
    help="Grant the recordings in DIR, which the assistant sees as NAME/…; may be given several times.",
)
@click.option("--archive", is_flag=True, help="Grant the archive and the stored outputs, to read.")
@click.option("--save", is_flag=True, help="Grant to store results as outputs, and in the archive if granted.")
@click.option(
    "--transport",
    type=click.Choice(["stdio", "http"]),
    default="stdio",
    show_default=True,
    help="stdio: the assistant starts this command; http: it is reached at http://127.0.0.1:PORT/mcp, by any "
    "program of this machine and no other.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=7870, show_default=True, help="Of http; 0: any free port."
)
@parameters.model(f"{parameters.MODEL}  [default: auto, the best one on disk]")
@parameters.precision("Of the arithmetic; auto: the fastest that gives the same emotions as fp32 here.")
@parameters.option("head")
@parameters.option("baseline")
@parameters.option("expect")
@parameters.option("side")
@parameters.option("purpose")
@parameters.option("consent")
@parameters.outputs("Where results are saved; the archive is kept beside them.")
@parameters.keep
def mcp(
    folders: dict[str, Path],
    archive: bool,
    save: bool,
    transport: Literal["stdio", "http"],
    port: int,
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    head: str | None,
    baseline: str | None,
    expect: dict[str, float] | None,
    side: Sides | None,
    purpose: str | None,
    consent: str | None,
) -> int:
    """Let an assistant ask, by the Model Context Protocol: it sees what is granted here, and stores nothing.

    The tools: list_recordings, recognize, timeline, summarize, compare; with --archive search and similar; with
    --save save_recognition. What is declared here (--side, --purpose, --consent) holds for all recordings, and the
    assistant can't declare it otherwise. Emovox sends nothing anywhere; where the assistant sends its answers is
    between you and the assistant.

    \b
    emovox mcp --folder interviews=/data/interviews
    emovox mcp --folder calls=/data/calls --archive --side customer
    emovox mcp --folder calls=/data/calls --transport http --port 7870
    """  # noqa: D301  click needs the backspace itself
    if not folders and not archive:
        raise click.UsageError("nothing is granted: give --folder NAME=DIR or --archive")
    if (
        transport == "stdio"
        and click.get_current_context().get_parameter_source("port") != ParameterSource.DEFAULT
    ):
        raise click.UsageError("--port is of --transport http: give both, or neither")
    library.need_library()
    if names := missing(("mcp",)):
        raise SettingsError(f"assistants need more packages: {install(*names)}")
    options = Options.of(head=head, baseline=baseline, expect=expect, side=side, purpose=purpose, consent=consent)
    trace_nothing()
    from emovox.assistants.folders import Folders  # noqa: PLC0415  its packages are an extra
    from emovox.assistants.recordings import Recordings  # noqa: PLC0415
    from emovox.assistants.server import build, run_http, run_stdio  # noqa: PLC0415
    from emovox.inference.recognizer import Recognizer  # noqa: PLC0415  takes a while to load

    def load() -> Recognizer:
        return Recognizer(
            model,
            precision=precision,
            mapping=mapping,
            notice=lambda line: click.echo(line, err=True),
            isolate=True,
        )

    server = build(Recordings(Folders(folders), load, options, archive=archive), save=save)
    return run_stdio(server) if transport == "stdio" else run_http(server, port)
