"""The commands that the documentation shows exist, with their options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from emovox.cli import emovox

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("training/*.md")])
NAMES = {"CHANGELOG.md"}  # which tells of names that were


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command after `emovox`, without what is said of it."""
    for line in text.splitlines():
        match = re.match(r" {4}(?:\$ |.*\| )?(?:[A-Z_]+=\S+ )*(?:emovox|bash run\.sh) (.*)", line)
        if match is None:
            continue
        command = re.sub(r"\s{2,}.*$|\s#\s.*$|[<>|;].*$", "", match[1])
        try:
            yield shlex.split(command)
        except ValueError:  # the comment had a quotation mark
            continue


def unknown(words: list[str]) -> list[str]:
    """What of a command line there is not."""
    context = click.Context(emovox, info_name="emovox")
    command: click.Command | None = emovox
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        command = command.get_command(context, name)
        if command is None:
            return [name]
    assert command is not None
    options = {"--help", "-h", "--version", "--debug"}
    options |= {name for part in command.params for name in (*part.opts, *part.secondary_opts)}
    given = (word.partition("=")[0] for word in rest if word.startswith("-") and word not in {"-", "--"})
    return [word for word in given if word not in options]


@pytest.mark.parametrize("path", [path for path in PAGES if path.name not in NAMES], ids=lambda path: path.name)
def test_what_the_page_says_can_be_typed(path: Path) -> None:
    assert {
        " ".join(words): missing for words in commands(path.read_text("utf-8")) if (missing := unknown(words))
    } == {}


def test_what_there_is_not_is_seen() -> None:
    assert unknown(["recognize", "a.mp3", "--nothing"]) == ["--nothing"]
    assert unknown(["archive", "nothing"]) == ["nothing"]
    assert unknown(["archive", "list", "--filter", "emotion=angry"]) == []
