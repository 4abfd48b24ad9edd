"""What several commands' options mean."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from emovox.emotions import NAMES, check_names
from emovox.errors import ExportError, UnknownEmotionError
from emovox.exports import check_formats
from emovox.inference.smoothing import SMOOTHING
from emovox.settings import Settings, given

Command = TypeVar("Command", bound=Callable[..., Any])


def emotions(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of emotions between commas; a usage error where one is not among the nine."""
    try:
        return None if value is None else check_names(name.strip().lower() for name in re.split("[,，、]", value))
    except UnknownEmotionError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def outputs(text: str) -> Callable[[Command], Command]:
    """The option of the outputs, beside which the archive is: while the command runs, it is the setting.

    Args:
        text: begins its help.
    """
    return click.option(
        "--outputs",
        callback=_outputs,
        expose_value=False,
        metavar="DIR",
        help=f"{text}  [default: {Settings.model_fields['outputs'].default}]",
    )


def recognition(command: Command) -> Command:
    """The options of a recognition, as every command has them."""
    for option in reversed(_RECOGNITION):
        command = option(command)
    return command


def exports(text: str) -> Callable[[Command], Command]:
    """The option of the exports, which begins its help with `text`."""
    return click.option(
        "--export",
        "formats",
        callback=_formats,
        metavar="FORMAT,FORMAT...",
        help=f"{text} Implies what they show: segments, and the curve for png and svg.",
    )


def _outputs(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("an empty name: was a variable meant?", context, parameter)
    if value is not None:
        context.with_resource(given(outputs=Path(value)))


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("nan is no number", context, parameter)
    return value


def _formats(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    try:
        return () if value is None else check_formats(name.strip().lower() for name in value.split(","))
    except ExportError as error:
        raise click.BadParameter(str(error), context, parameter) from error


_RECOGNITION = (
    click.option(
        "--granularity",
        type=click.Choice(["utterance", "frame"]),
        default="utterance",
        show_default=True,
        help="One verdict, or the scores of every frame (20 ms) as well.",
    ),
    click.option("--embedding", is_flag=True, help="The features too: (1, D), or (T, D) by frame."),
    click.option("--segments", is_flag=True, help="Each stretch of speech with its times and emotion."),
    click.option(
        "--merge", is_flag=True, help="Join segments of one emotion up to a second apart; implies --segments."
    ),
    click.option(
        "--speech-only/--no-speech-only",
        default=None,
        help="Leave silence out of verdict and curve.  [default: with --channels split]",
    ),
    click.option(
        "--smoothing",
        type=click.FloatRange(0, 3600),
        callback=_number,
        default=SMOOTHING,
        show_default=True,
        metavar="SECONDS",
        help="Of the curve's scores (granularity frame); 0: each frame for itself.",
    ),
    click.option(
        "--channels",
        type=click.Choice(["mix", "split"]),
        default="mix",
        show_default=True,
        help="Hear all channels as one, or each by itself, as the two sides of a call.",
    ),
    click.option(
        "--track",
        type=click.IntRange(1),
        metavar="N",
        help="Hear this audio track.  [default: the main one, or the next that isn't silent]",
    ),
    click.option(
        "--model",
        metavar="NAME|PATH",
        help="Catalog name, snapshot directory or .onnx file.  [default: auto, the best one on disk]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
        default="auto",
        show_default=True,
        help="Of the arithmetic; auto: the fastest that hears what fp32 hears here.",
    ),
    click.option(
        "--emotions",
        metavar="NAME,NAME...",
        callback=emotions,
        help=f"Choose only among these: {', '.join(NAMES)}.",
    ),
    click.option(
        "--head",
        metavar="NAME|PATH",
        help="Also ask this head, trained by `emovox head train`: classes of your own.",
    ),
)
