"""The command line: `emovox`."""

import os
import sys
import traceback
from contextlib import suppress

import click

from emovox.cli import (
    archive,
    batch,
    config,
    evaluate,
    export,
    head,
    keys,
    listen,
    map,
    models,
    recognize,
    schema,
    serve,
    similar,
)
from emovox.errors import ClusterError, EmovoxError, SettingsError, UnknownEmotionError, UnknownModelError
from emovox.settings import config_path, settings

EXIT_FAILED, EXIT_USAGE, EXIT_CLUSTER, EXIT_INTERRUPTED = 1, 2, 3, 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=f"Settings come from EMOVOX_* variables and from {config_path()}.",
)
@click.version_option(package_name="emovox", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
def emovox(debug: bool) -> None:
    """Emovox hears emotion in speech.

    Nothing leaves this machine; only `emovox models pull` goes online, to download, and webhooks that you set.

    \b
    emovox recognize call.mp3
    emovox recognize recordings/ --format csv > emotions.csv
    emovox batch recordings/ --out heard
    emovox listen
    emovox serve
    """  # noqa: D301  click needs the backspace itself


emovox.add_command(recognize.recognize)
emovox.add_command(batch.batch)
emovox.add_command(export.export)
emovox.add_command(archive.archive)
emovox.add_command(similar.similar)
emovox.add_command(map.map_)
emovox.add_command(listen.listen)
emovox.add_command(head.head)
emovox.add_command(evaluate.evaluate)
emovox.add_command(models.models)
emovox.add_command(serve.serve)
emovox.add_command(keys.keys)
emovox.add_command(config.config)
emovox.add_command(schema.schema)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    0 all well, 1 some recordings failed, 2 usage, 3 a batch has lost its cluster, 130 interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without emoji shows ? rather than failing
    if arguments is None:  # the process is this program, and nobody else's
        _cache_in_own_place()
    try:
        # --debug belongs to the program, and may stand anywhere.
        code = emovox.main(
            [word for word in given if word != "--debug"], prog_name="emovox", standalone_mode=False, obj=debug
        )
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
        usage = (UnknownModelError, UnknownEmotionError, SettingsError)
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
    with suppress(EmovoxError):  # settings that can't be used are told of where they are needed
        for variable, name in {"MPLCONFIGDIR": "matplotlib", "NUMBA_CACHE_DIR": "numba"}.items():
            os.environ.setdefault(variable, str(settings().cache.absolute() / name))


def _abandon_output() -> None:
    """Send what is still buffered nowhere: the interpreter would fail on it once more when it ends.

    As the manual of Python's signal module has it, under SIGPIPE.
    """
    with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
