"""NOTICE names what is installed beside Emovox."""

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "NOTICE").read_text(encoding="utf-8")
LISTED = {match[1].lower() for match in re.finditer(r"^([\w.-]+) \(", TEXT, re.MULTILINE)}
TOOLS = ("test", "dev", "site")


def installed_with(name: str) -> set[str]:
    """The packages that one asks for, without those of its own extras."""
    try:
        wanted = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    names = (re.match(r"[\w.-]+", item) for item in wanted if "extra ==" not in item and "_platform" not in item)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in names if match is not None}


def test_each_package_is_named() -> None:
    """The direct ones of every extra that isn't a tool, and what these ask for."""
    direct = {
        re.sub(r"[-_.]+", "-", match[0]).lower()
        for item in requires("emovox") or ()
        if not any(f"extra == '{tool}'" in item or f'extra == "{tool}"' in item for tool in TOOLS)
        and (match := re.match(r"[\w.-]+", item))
    } - {"emovox", "tomli"}
    second = {name for package in direct for name in installed_with(package)}
    here = {name for name in direct | second if name in direct or _is_here(name)}
    assert here - LISTED - {"tomli", "exceptiongroup", "typing-extensions"} == set()


def _is_here(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def test_what_is_inside_the_wheels_is_named() -> None:
    assert "FFmpeg" in TEXT
    assert "LGPL-2.1-or-later" in TEXT
