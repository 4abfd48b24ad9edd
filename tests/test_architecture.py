"""docs/architecture.md tells the truth: its house, and the modules and names of its flow."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "src" / "emovox"
PAGES = [ROOT / "docs" / "architecture.md", ROOT / "docs" / "architecture.zh-CN.md"]
OTHERS = [
    ROOT / name
    for name in ("CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md", "docs/versions.md", "docs/versions.zh-CN.md")
]


def drawn(page: Path) -> list[str]:
    """The rooms of the house in order, those within another as `models/hub/`."""
    names: list[str] = []
    outer = ""
    for line in page.read_text("utf-8").partition(" src/emovox/\n")[2].splitlines():
        if not line.startswith(" " * 6):
            break
        here = re.findall(r"\b([a-z0-9_]+(?:\.py|/))(?= )", re.split(r" {3,}|$", line.strip())[0] + " ")
        if line.startswith(" " * 8):
            here = [f"{outer}{name}" for name in here]
        else:
            outer = here[0]
        names += here
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_house_is_drawn_whole(page: Path) -> None:
    rooms = {
        path.relative_to(HOUSE).as_posix() + ("/" if path.is_dir() else "")
        for path in [*HOUSE.glob("*"), *HOUSE.glob("*/*/")]
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and not path.name.startswith("__"))
    }
    names = drawn(page)
    assert len(names) == len(set(names))
    assert set(names) == rooms


def test_both_pages_draw_the_same() -> None:
    one, other = map(drawn, PAGES)
    assert one == other


def test_it_is_drawn_in_the_order_of_its_imports() -> None:
    rules = ast.parse((ROOT / "tests" / "test_house.py").read_text("utf-8")).body
    (order,) = (
        ast.literal_eval(node.value)
        for node in rules
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS"
    )
    names = [name.removesuffix(".py").rstrip("/") for name in drawn(PAGES[0])]
    assert [name for name in names if "/" not in name] == [name for name in order if not name.startswith("__")]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.name)
def test_the_modules_that_it_names_are_there(page: Path) -> None:
    names = re.findall(r"`([a-z0-9_/]+\.py)`", page.read_text("utf-8"))
    assert [name for name in names if not ((HOUSE / name).is_file() or (ROOT / name).is_file())] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_flow_names_what_is_in_its_modules(page: Path) -> None:
    """Behind a module its classes, functions, and methods."""
    (flow,) = (section for section in page.read_text("utf-8").split("\n## ") if "```mermaid" in section)
    wrong, module = [], ""
    for name in re.findall(r"`([\w./]+)`", flow.partition("\n**")[2]):
        if "/" in name or name.endswith(".py"):
            module = (HOUSE / name).read_text("utf-8")
        elif not re.search(rf"^ *(class|(async )?def) {name.rpartition('.')[2]}\b", module, re.MULTILINE):
            wrong.append(name)
    assert wrong == []
