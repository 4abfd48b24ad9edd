"""The command's options, which are made of the declaration."""

from collections.abc import Iterator

import click
import pytest

from emovox.cli import emovox
from emovox.cli.batch import batch
from emovox.cli.recognize import recognize
from emovox.inference.options import Options, declared


@pytest.mark.parametrize("command", [recognize, batch])
def test_every_declared_option_is_there(command: click.Command) -> None:
    there = {option.name: option for option in command.params}
    for name, info in declared(Options).items():
        if name in {"channel", "words"}:  # spelled --channels; of one recording, and not of a batch
            continue
        option = there[name]
        assert isinstance(option, click.Option)
        text = str(info.description).capitalize()
        assert (
            name in {"head", "baseline", "expect", "segments", "side"}
            or (option.help or "").lower() == f"{text.lower()}."
        )
        assert option.default == getattr(Options(), name)


def test_types_and_limits_are_the_declared_ones() -> None:
    there = {option.name: option for option in recognize.params}
    assert isinstance(there["granularity"].type, click.Choice)
    assert list(there["granularity"].type.choices) == ["utterance", "frame"]
    assert isinstance(there["smoothing"].type, click.FloatRange)
    assert (there["smoothing"].type.min, there["smoothing"].type.max) == (0, 3600)
    assert isinstance(there["track"].type, click.IntRange)
    assert (there["track"].type.min, there["track"].type.max) == (1, 1024)
    speech_only = there["speech_only"]
    assert isinstance(speech_only, click.Option)
    assert speech_only.secondary_opts == ["--no-speech-only"]


def commands(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """All commands, by their name within the group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in commands(command))
        else:
            yield name, command


def test_whoever_names_a_model_may_say_what_its_labels_are() -> None:
    names = set()
    for name, command in commands(emovox):
        options = {option.name: option for option in command.params if isinstance(option, click.Option)}
        if "model" in options and options["model"].metavar == "NAME|PATH":
            assert options["mapping"].opts == ["--map"], name
            names.add(name)
        else:
            assert "mapping" not in options
    assert names == {
        "recognize", "listen", "batch", "serve", "evaluate", "similar", "head train", "baseline fit",
        "archive upgrade", "mcp",
    }  # fmt: skip
