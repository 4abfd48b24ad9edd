"""`emovox export`."""

import os
import traceback
from pathlib import Path

import click

from emovox import directories, exports, use_log
from emovox.cli.report import printable
from emovox.errors import EmovoxError, ExportError, OutputsError
from emovox.outputs import read_result
from emovox.settings import settings


def formats_option(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    """Names of formats between commas; a usage error if one can't be written here."""
    try:
        return None if value is None else exports.check_formats(name.strip().lower() for name in value.split(","))
    except ExportError as error:
        raise click.BadParameter(str(error), context, parameter) from error


class _Command(click.Command):
    """Lists the formats below its help: plug-ins that add some are loaded for nothing else."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats"):
            formatter.write_dl([(name, exports.about(name)) for name, _ in exports.EXPORTERS.usable()])


@click.command(cls=_Command, no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="OUTPUTS_DIR...")
@click.option(
    "--format",
    "formats",
    required=True,
    metavar="NAME,NAME...",
    callback=formats_option,
    help=f"Any of {', '.join(exports.FORMATS)}.",
)
@click.option(
    "--labels",
    type=click.Choice(["en", "zh"]),
    help="Language of the emotions in captions, annotations and pictures.  [default: en]",
)
def export(paths: tuple[str, ...], formats: tuple[str, ...], labels: exports.Language | None) -> int:
    """Write saved results in other formats, into their outputs directories.

    Segments come with `emovox recognize --segments`, frames with `--granularity frame`.

    \b
    emovox export outputs/outputs_20240104_223000 --format srt,textgrid
    emovox export outputs/outputs_202401* --format csv,png --labels zh

    Exit code: 0 success, 1 some directories failed (the others are done), 2 usage error.
    """  # noqa: D301  click needs the backspace itself
    language = labels or settings().labels
    failures: list[tuple[str, str]] = []

    def failed(path: Path, reason: str) -> None:
        failures.append((str(path), reason))

    for directory in dict.fromkeys(match for argument in paths for match in _matches(argument, failed)):
        try:
            use_log.log("exported", outputs=[directory.name], command="emovox export")
            written = exports.write(read_result(directory), directory, formats, language=language)
        except OutputsError as error:  # its message names the file
            failures.append(("", str(error)))
        except EmovoxError as error:
            failures.append((str(directory), str(error)))
        except Exception as error:  # a bug must not stop the others either
            if click.get_current_context().find_root().obj:
                traceback.print_exc()
            reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
            failures.append((str(directory), reason))
        else:
            for path in written:
                click.echo(printable(str(path)))
    for name, reason in failures:
        click.echo(f"Error: {printable(f'{name}: ' if name else '')}{printable(reason)}", err=True)
    return 1 if failures else 0


def _matches(argument: str, failed: directories.Failed) -> list[Path]:
    """The directories that an argument means, sorted; some shells don't expand globs."""
    if os.path.lexists(argument) or not directories.MAGIC.search(argument):
        return [Path(argument)]
    return [path for path, _ in directories.glob(argument, failed)] or [Path(argument)]
