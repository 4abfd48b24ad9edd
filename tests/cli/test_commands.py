"""What all commands share: the list of them, and how quickly they come."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from emovox.cli import COMMANDS, EXIT_CLUSTER, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, emovox
from emovox.cli.archive import archive


def test_the_list_is_of_the_commands() -> None:
    """Each line begins as the command's own help does; `recognize: files…` may go on."""
    context = click.Context(emovox)
    for name, line in COMMANDS.items():
        command = emovox.get_command(context, name)
        assert command is not None
        own = " ".join((command.help or "").split())
        assert own.startswith(line.rstrip(".").partition(":")[0].partition(",")[0]), name
    assert emovox.list_commands(context) == list(COMMANDS)
    with pytest.raises(click.UsageError):
        emovox.resolve_command(context, ["no-such-command"])


@pytest.mark.parametrize("page", ["exit-codes.md", "exit-codes.zh-CN.md"])
def test_each_commands_exit_codes_are_documented(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    commands = [*COMMANDS, *archive.commands]
    assert [name for name in commands if f"`{name}`" not in text and f" {name}`" not in text] == ["archive"]
    codes = {EXIT_FAILED, EXIT_USAGE, EXIT_CLUSTER, EXIT_INTERRUPTED, 0}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, emovox.cli\n"
        "try: emovox.cli.main(['--help'])\n"
        "except SystemExit: print('LOADED', *sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.partition("LOADED")[2].split()
    assert loaded
    assert not {"numpy", "onnx", "onnxruntime", "av", "rich", "soxr", "httpx", "sqlalchemy"} & set(loaded)


def test_each_command_is_a_module() -> None:
    assert all(import_module(f"emovox.cli.{name}") for name in COMMANDS)
