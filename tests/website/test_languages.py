"""English and Chinese pages say the same: headings, commands and figures."""

import re
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHINESE = ".zh-CN.md"
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    if not path.name.endswith(CHINESE) and path.with_name(path.stem + CHINESE).exists()
)
ENGLISH_ALONE = {"CHANGELOG.md", "lite.md"}
"""A model card is the card of the authors, and a changelog grows by the day."""


def headings(text: str) -> list[int]:
    """The level of each heading, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]


def commands(text: str) -> list[str]:
    """Each command of the indented blocks, without what is said of it."""
    lines = (re.sub(r"\s{2,}.*$|\s#\s.*$", "", line.strip()) for line in text.splitlines() if line[:4].isspace())
    commands = (line.removeprefix("$ ").replace(" --labels zh", "") for line in lines)
    return [command for command in commands if re.match(r"emovox|curl|bash|python |pip |EMOVOX_|\. ", command)]


def same(english: str, chinese: str) -> bool:
    """Whether two commands are the same but for words in Chinese."""
    quoted = re.sub(r"'[^']*[一-鿿][^']*'|\"[^\"]*[一-鿿][^\"]*\"", "一", chinese)
    pattern = re.sub(r"[一-鿿]+", r"(?:'[^']*'|\"[^\"]*\"|[\\w-]+)", re.escape(quoted))
    return re.fullmatch(pattern, english) is not None


def figures(text: str) -> set[str]:
    """Numbers with a point, or of three digits and more: what was measured, not what is counted.

    Tables that a benchmark writes are held to its figures by a test of their own: in Chinese 95 million is
    9500 万.
    """
    text = re.sub(r"<!-- (\w+): .*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|(?<=\d),(?=\d{3})", lambda match: "" if match[0] == "," else "]", text)
    return set(re.findall(r"(?<![A-Za-z0-9_.])(?:\d+\.\d+|\d{3,})(?![A-Za-z0-9_]|\.\d)", text))


def test_each_page_is_in_both_languages() -> None:
    alone = {path.name for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]} - {
        name for path in PAGES for name in (path.name, path.stem + CHINESE)
    }
    assert alone == ENGLISH_ALONE


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_languages_say_the_same(path: Path) -> None:
    english, chinese = (page.read_text("utf-8") for page in (path, path.with_name(path.stem + CHINESE)))
    assert headings(chinese) == headings(english)
    pairs = list(zip_longest(commands(english), commands(chinese), fillvalue=""))
    assert [pair for pair in pairs if not same(*pair)] == []
    assert figures(chinese) == figures(english)
