"""The command line: `emovox`."""

import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module

import click

from emovox import interrupts
from emovox.errors import (
    ClusterError,
    EmovoxError,
    FilterError,
    OptionsError,
    PolicyError,
    SettingsError,
    UnknownEmotionError,
    UnknownModelError,
)

EXIT_FAILED, EXIT_USAGE, EXIT_CLUSTER, EXIT_INTERRUPTED = 1, 2, 3, interrupts.CODE
COMMANDS = {
    "recognize": "Recognise the emotion in recordings.",
    "batch": "Recognise many recordings into Parquet tables.",
    "export": "Write saved results in other formats.",
    "table": "Write one table of many recordings: a row for each recording, segment, or frame.",
    "archive": "Keep recognitions in a database: find, tag, count, export, delete them.",
    "similar": "Find what in the archive sounds most like a recording.",
    "map": "Draw the archive as a map, a page by itself.",
    "listen": "Recognise emotion live, from the microphone or a file.",
    "head": "Train heads: classes or values of your own on a model's embeddings.",
    "baseline": "Fit baselines: what is usual for a voice, a line or a room.",
    "evaluate": "Measure a model on recordings whose emotions are known.",
    "models": "List, download, convert, verify and remove models.",
    "serve": "Start the service: the page and an HTTP API at http://localhost:7860.",
    "mcp": "Let an assistant ask, by the Model Context Protocol: it sees what is granted, and stores nothing.",
    "keys": "Create, list and remove the service's API keys.",
    "notice": "Write what people are told before emotions are inferred from their voices.",
    "log": "Show and verify the log of use: who had what recognised, read, exported or deleted, and when.",
    "plugins": "List what installed packages add: exports, model families, label files.",
    "config": "Show the settings.",
    "schema": "Print the JSON Schema of result.json.",
}
"""Each command, a module of this package by the same name, and what it is for in a line."""


class _Commands(click.Group):
    """Loads a command when it is called: what one needs takes others a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"emovox.cli.{cmd_name}")
        command: click.Command = getattr(module, "map_" if cmd_name == "map" else cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from emovox.settings import config_path  # noqa: PLC0415  takes a while to load

        formatter.write_paragraph()
        formatter.write_text(f"Settings come from EMOVOX_* variables and from {config_path()}.")


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="emovox", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def emovox(debug: bool) -> None:
    """Emovox hears emotion in speech.

    Nothing leaves this machine. Only `emovox models pull` goes online, to download, and what you set up yourself:
    buckets, webhooks, a transcriber, a Label Studio.

    \b
    emovox recognize call.mp3
    emovox recognize recordings/ --format csv > emotions.csv
    emovox batch recordings/ --out results
    emovox listen
    emovox serve

    Exit code: 0 all well, 1 something failed (of many recordings some; the others are done), 2 usage or settings,
    3 a batch has lost its cluster, 130 interrupted. docs/exit-codes.md says what they mean for each command.
    """  # noqa: D301  click needs the backspace itself
    from emovox.settings import misspelt  # noqa: PLC0415  takes a while to load

    if click.get_current_context().invoked_subcommand != "config":  # which says it, too
        for problem in misspelt():
            click.echo(f"Warning: {problem}", err=True)
    interrupts.raise_from_now_on()  # the command and what it imports is loaded


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    0 all well, 1 some recordings failed, 2 usage, 3 a batch has lost its cluster, 130 interrupted.
    """
    argv = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without emoji shows ? rather than failing
    try:
        if arguments is None:  # the process is this program, and nobody else's
            _cache_in_own_place()
        # --debug belongs to the program, and may stand anywhere.
        words = [word for word in argv if word != "--debug"]
        with interrupts.seen_through():
            code = emovox.main(words, prog_name="emovox", standalone_mode=False, obj=debug)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = EXIT_USAGE
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read us has gone
        _abandon_output()
        code = EXIT_FAILED
    except OSError as error:
        _abandon_output()
        click.echo(f"Error: can't write what was found: {error.strerror or error}", err=True)
        code = EXIT_FAILED
    except EmovoxError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {error}", err=True)
        usage = (UnknownModelError, UnknownEmotionError, FilterError, SettingsError, OptionsError, PolicyError)
        code = EXIT_USAGE if isinstance(error, usage) else EXIT_FAILED
        code = EXIT_CLUSTER if isinstance(error, ClusterError) else code
    except Exception as error:
        if debug:
            traceback.print_exc()
        kind = type(error).__name__
        click.echo(
            f"Error: unexpected {kind}: {' '.join(str(error).split())}. Run again with --debug for the details.",
            err=True,
        )
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else 0)


def _cache_in_own_place() -> None:
    """Give Matplotlib and Numba a place beside the models; theirs are the home directory and the packages' own."""
    from emovox.settings import settings  # noqa: PLC0415  takes a while to load

    with suppress(EmovoxError):  # settings that can't be used are told of where they are needed
        for variable, name in {"MPLCONFIGDIR": "matplotlib", "NUMBA_CACHE_DIR": "numba"}.items():
            os.environ.setdefault(variable, str(settings().cache.absolute() / name))


def _abandon_output() -> None:
    """Send what is still buffered nowhere: the interpreter would fail on it once more when it ends.

    As the manual of Python's signal module has it, under SIGPIPE.
    """
    with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
