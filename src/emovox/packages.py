"""Packages that are extras: what to type where one is missing."""

import importlib.util
import shlex
import sys
from collections.abc import Iterable


def missing(modules: Iterable[str]) -> list[str]:
    """Those of some modules that are not installed; nothing is imported."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def install(*packages: str) -> str:
    """The command that adds packages to the very Python that runs this: another pip may belong to another one."""
    return shlex.join([sys.executable or "python", "-m", "pip", "install", *packages])
