"""Options that several commands share."""

import functools
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click
from pydantic.fields import FieldInfo

from emovox.baselines.shift import parse_expectation
from emovox.emotions import check_names
from emovox.errors import ExportError, OptionsError, UnknownEmotionError
from emovox.exports import check_formats
from emovox.inference.options import Options, choices, declared, limits
from emovox.models.mapping import read_mapping
from emovox.models.metadata import Precision
from emovox.notes import note
from emovox.policy import LEFT_OPEN, SIDES, Side, Sides, parse_sides
from emovox.settings import Settings, given

Command = TypeVar("Command", bound=Callable[..., Any])

WORDS = "words"
"""The option that belongs to one recording alone, so that not every command has it."""


def confirm(question: str, *, option: str = "--yes", default: bool = False) -> bool:
    """Ask on the terminal.

    Raises:
        click.UsageError: nobody can answer: says which option does.
    """
    try:
        return click.confirm(question, default=default, err=True)
    except click.Abort:  # Ctrl-C, or the end of the input
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        click.echo(err=True)  # behind the question
        raise click.UsageError(f"nobody is there to answer: give {option}") from None


def emotions(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of emotions between commas; a usage error if one is not among the nine."""
    try:
        return None if value is None else check_names(name.strip().lower() for name in re.split("[,，、]", value))
    except UnknownEmotionError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def scale(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """LOW,HIGH of ratings."""
    if value is None:
        return None
    try:
        low, high = map(float, value.split(","))
    except ValueError:
        low = high = math.nan
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise click.BadParameter("give two numbers, the lower one first: 1,7", context, parameter)
    return low, high


def value_columns(text: str | None) -> dict[str, str]:
    """VALUE=COLUMN separated by commas.

    Raises:
        UsageError: something else.
    """
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    if wrong := [name for name, sign, column in pairs if not (name.strip() and sign and column.strip())]:
        raise click.UsageError(f"--label-column {wrong[0]}: these are values, so say VALUE=COLUMN")
    return {name.strip(): column.strip() for name, _, column in pairs}


def outputs(text: str) -> Callable[[Command], Command]:
    """The option for the outputs, with the archive beside them: while the command runs, it overrides the setting.

    Args:
        text: the beginning of its help.
    """
    return click.option(
        "--outputs",
        callback=_outputs,
        expose_value=False,
        metavar="DIR",
        help=f"{text}  [default: {Settings.model_fields['outputs'].default}]",
    )


def keep(command: Command) -> Command:
    """The option for what outputs directories keep: while the command runs, it overrides the setting."""
    return click.option(
        "--keep",
        type=click.Choice(["all", "scores"]),
        callback=_keep,
        expose_value=False,
        help="What outputs directories keep: scores means no sound, no processed_audio.wav.  [default: all]",
    )(command)


def recognition(command: Command, *, many: str = "") -> Command:
    """The options of a recognition, which a command gets as `options`.

    And `channels`, `model`, `mapping`, `precision`.

    Args:
        command: the command.
        many: what the help of `--baseline` adds, where it may be of many recordings.
    """

    @functools.wraps(command)
    def call(*args: Any, **values: Any) -> Any:
        arguments = {name: values.pop(name) for name in declared(Options) if name in values and name != WORDS}
        options = Options.of(**arguments)
        _check_sides(options.side, split=values.get("channels") == "split")
        return command(*args, options=options, **values)

    options = [_option(name, info, many) for name, info in declared(Options).items() if name != WORDS]
    for option in reversed([*options, model(f"{MODEL}  [default: auto, the best one on disk]"), _PRECISION]):
        option(call)
    return cast("Command", call)


def _check_sides(sides: Sequence[Side | None] | None, *, split: bool) -> None:
    """Refuse sides of several channels that are recognised together."""
    if len(sides or ()) > 1 and not split:
        raise click.BadParameter(
            "several sides are those of channels: add --channels split, or declare one side",
            param_hint="--side",
        )


def option(name: str, **spelling: Any) -> Callable[[Command], Command]:
    """One option of a recognition, for a command that can't use them all; `spelling`: what is said otherwise."""
    return _option(name, declared(Options)[name], **spelling)


def model(text: str) -> Callable[[Command], Command]:
    """The option for the model, which a command gets as `model`, and that for what its labels are, as `mapping`.

    Args:
        text: the help of the first.
    """

    def decorate(command: Command) -> Command:
        return click.option("--model", metavar="NAME|PATH", help=text)(_MAP(command))

    return decorate


def precision(text: str) -> Callable[[Command], Command]:
    """The option for the precision; `text` is its help."""
    return click.option(
        "--precision",
        type=click.Choice(["auto", *get_args(Precision)]),
        default="auto",
        show_default=True,
        help=text,
    )


def baseline(kinds: str, text: str) -> Callable[[Command], Command]:
    """The options for the baseline and what is expected, as `baseline` and `expect`.

    Args:
        kinds: what it may be, for the help.
        text: the help of the first.
    """

    def decorate(command: Command) -> Command:
        expect = click.option("--expect", **_SPELLING["expect"])
        return click.option("--baseline", metavar=kinds, help=text)(expect(command))

    return decorate


def exports(text: str) -> Callable[[Command], Command]:
    """The option for the exports; `text` begins its help."""
    return click.option(
        "--export",
        "formats",
        callback=_formats,
        metavar="FORMAT,FORMAT...",
        help=f"{text} Implies --segments and, for pictures, --granularity frame.",
    )


def _outputs(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value == "":
        raise click.BadParameter("the name is empty: is a variable unset?", context, parameter)
    if value is not None:
        context.with_resource(given(outputs=Path(value)))


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        context.with_resource(given(keep=value))


def _mapping(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """The file, once it is seen that it can be read: the model's labels aren't known yet."""
    try:
        if value is not None:
            read_mapping(value)
    except (OptionsError, UnknownEmotionError) as error:
        raise click.BadParameter(str(error), context, parameter) from error
    return value


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):
        raise click.BadParameter("nan is not a number", context, parameter)
    return value


def expectation(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, float] | None:
    """The callback of an option of shares, such as neutral=0.8."""
    try:
        return None if value is None else parse_expectation(value)
    except OptionsError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _sides(context: click.Context, parameter: click.Parameter, value: str | None) -> Sides | None:
    try:
        return None if value is None else parse_sides(value)
    except OptionsError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _note(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else note(value)
    except OptionsError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _formats(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    try:
        return () if value is None else check_formats(name.strip().lower() for name in value.split(","))
    except ExportError as error:
        raise click.BadParameter(str(error), context, parameter) from error


_CHANNELS = click.option(
    "--channels",
    type=click.Choice(["mix", "split"]),
    default="mix",
    show_default=True,
    help="Recognise the mix of all channels, or each separately, as for the two sides of a call.",
)

_SPELLING: dict[str, dict[str, Any]] = {
    "baseline": {
        "metavar": "NAME|PATH|self",
        "help": "Recognise emotions relative to this baseline, made with `emovox baseline fit`: recordings of the "
        "same voice, line or room. self: segments, which it implies, and curve relative to the recording itself, "
        "each channel by itself.",
    },
    "consent": {"metavar": "TEXT", "callback": _note},
    "emotions": {"metavar": "NAME,NAME...", "callback": emotions},
    "expect": {
        "metavar": "NAME=SHARE,...",
        "callback": expectation,
        "help": "Share of an emotion that the baseline's recordings are taken to have, as neutral=0.8; the others "
        "share the rest.  [default: half neutral, half all others]",
    },
    "head": {
        "metavar": "NAME|PATH",
        "help": "Also apply this head, trained with `emovox head train`: classes of your own.",
    },
    "purpose": {"metavar": "TEXT", "callback": _note},
    "segments": {
        "help": "Also give each stretch of speech with its times and emotion. By default `recognize` keeps them "
        "of recordings longer than half a minute, and tells those in a sentence.",
    },
    "side": {
        "metavar": "SIDE[,SIDE...]",
        "callback": _sides,
        "help": f"Whose voice it is: {', '.join(SIDES)}. With --channels split one for each channel, as "
        f"customer,worker; {LEFT_OPEN} where nobody says. The policy (setting `policy`) may allow nothing but the "
        "talk time of workers and pupils.",
    },
    "smoothing": {"metavar": "SECONDS", "callback": _number},
    "track": {"metavar": "N"},
}
"""What a field doesn't say of how it is written on a command line."""


def _option(name: str, info: FieldInfo, many: str = "", **spelling: Any) -> Callable[[Command], Command]:
    """The option that a field becomes."""
    if name == "channel":  # one alone is of little use if they can be split
        return _CHANNELS
    text, default = str(info.description), getattr(Options, name)
    kinds = set(get_args(info.annotation)) or {info.annotation}
    flag = f"--{name.replace('_', '-')}"
    extra: dict[str, Any] = {}
    if words := choices(info):
        extra = {"type": click.Choice(words), "show_default": True}
    elif kinds & {int, float}:
        number: Any = click.IntRange if int in kinds else click.FloatRange
        extra = {"type": number(*limits(info)), "show_default": True}
    elif kinds == {bool}:
        extra = {"is_flag": True}
    elif bool in kinds:
        flag = f"{flag}/--no{flag[1:]}"
    extra |= {"default": default, "help": f"{text[0].upper()}{text[1:]}."}
    extra |= _SPELLING.get(name, {}) | spelling
    if name == "baseline" and many:
        extra |= {"metavar": "NAME|PATH|self|corpus|speaker", "help": f"{extra['help'].rstrip('.')}{many}."}
    return click.option(flag, **extra)


MODEL = "Catalog name, hf:OWNER/NAME, snapshot directory or .onnx file."
"""What a model may be given as, for the help."""

_MAP = click.option(
    "--map",
    "mapping",
    type=click.Path(path_type=Path),
    callback=_mapping,
    metavar="FILE",
    help='JSON file that says which of the nine labels of the model are, as {"hap": "happy"}: see `emovox models '
    "show`.",
)

_PRECISION = precision("Of the arithmetic; auto: the fastest that gives the same emotions as fp32 here.")
