"""Names of a package that are loaded when they are first used: importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """A package's `__getattr__`.

    Args:
        package: its `__name__`.
        modules: where each name is, as seen from the package.
    """

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
