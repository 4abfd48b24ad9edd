"""docs/versions.md: its table says what the code says, in both languages."""

import re
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from emovox.inference.live import EventsVersion
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import read_metadata

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / name for name in ("versions.md", "versions.zh-CN.md")]
ROWS = ["package", "result", "contract", "revision", "layout", "head", "baseline", "database", "events"]
"""What has a number of ours, in the table's order; the rows below have none."""


def table(page: Path) -> dict[str, tuple[str, str]]:
    """What is now, and where it stands, by row."""
    lines = [
        line.strip("| ").split(" | ") for line in page.read_text("utf-8").splitlines() if line.startswith("| ")
    ]
    return {row: (line[1], line[2]) for row, line in zip(ROWS, lines[2:], strict=False)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_says_what_the_code_says(page: Path) -> None:
    rows = table(page)
    assert f'\nversion = "{rows["package"][0]}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")
    for row in ("result", "contract", "head", "baseline", "database"):
        now, place = rows[row]
        names = re.findall(r"`([^`]+)`", place)
        constant, module = sorted(names[-2:])  # capitals first; Chinese names the module first
        values = import_module(f"emovox.{module.removesuffix('.py').replace('/', '.')}")
        assert now == str(getattr(values, constant)), row
    assert rows["revision"][0] == f"`lite` {read_metadata(resolve('lite')).revision}"
    assert re.findall(r"\d", rows["events"][0])[0] == str(max(get_args(EventsVersion)))
    newest = max((ROOT / "src/emovox/archive/migrations/versions").glob("m*.py")).name[1:5]
    assert rows["database"][0] == newest
    for path in (page, page.with_name(page.name.replace("versions", "upgrading"))):
        assert set(re.findall(r"before-\d+-to-(\d+)`", path.read_text("utf-8"))) == {newest}


def test_both_languages_have_the_same_table() -> None:
    english, chinese = map(table, PAGES)
    assert {row: re.findall(r"[\d.]+", now)[:1] for row, (now, _) in english.items()} == {
        row: re.findall(r"[\d.]+", now)[:1] for row, (now, _) in chinese.items()
    }
