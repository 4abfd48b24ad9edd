"""What several commands' options mean."""

from pathlib import Path

import click

from emovox.emotions import check_names
from emovox.errors import UnknownEmotionError


def emotions(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of emotions between commas; a usage error where one is not among the nine."""
    try:
        return None if value is None else check_names(name.strip().lower() for name in value.split(","))
    except UnknownEmotionError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def directory(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """A directory; an empty name is a usage error, and not the current directory."""
    if value == "":
        raise click.BadParameter("an empty name: was a variable meant?", context, parameter)
    return None if value is None else Path(value)
