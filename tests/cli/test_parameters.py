"""The command's options, which are made of the declaration."""

import click
import pytest

from emovox.cli.batch import batch
from emovox.cli.recognize import recognize
from emovox.inference.options import Options, declared


@pytest.mark.parametrize("command", [recognize, batch])
def test_every_declared_option_is_there(command: click.Command) -> None:
    there = {option.name: option for option in command.params}
    for name, info in declared(Options).items():
        if name == "channel":  # spelled --channels
            continue
        option = there[name]
        assert isinstance(option, click.Option)
        text = str(info.description).capitalize()
        assert name == "head" or (option.help or "").lower() == f"{text.lower()}."
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
