"""The small files of a snapshot, as text, JSON or YAML: they come from elsewhere, so their size has a limit."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from emovox.errors import ModelError

_MAX_TEXT = 200_000  # bytes; the published configs have some 4 kB, and PyYAML takes a second for 100 kB


def read_text(path: Path, *, limit: int = _MAX_TEXT) -> str:
    """Read a small text file of a snapshot, of ``limit`` bytes at most.

    Raises:
        ModelError: it can't be read, is too long for one, or isn't text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ModelError(f"{path.name} is over {limit // 1000} kB, too large for a file of a snapshot")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8 text") from error


def read_json(path: Path, *, limit: int = _MAX_TEXT) -> dict[str, Any]:
    """Read a small file of settings in JSON, of ``limit`` bytes at most.

    Raises:
        ModelError: as `read_text`, or it holds no settings.
    """
    try:
        settings = json.loads(read_text(path, limit=limit))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} is not valid JSON") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path.name} has no settings")
    return settings


class _NoAliasLoader(yaml.SafeLoader):
    """A safe loader without aliases: a page of nested aliases expands to more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


class Tagged(NamedTuple):
    """A value under a tag of its program's own, which nobody interprets."""

    tag: str
    value: Any


class _TagLoader(_NoAliasLoader):
    """One that keeps the tags of a program's own."""

    def construct_tagged(self, suffix: str, node: yaml.Node) -> Tagged:
        if isinstance(node, yaml.MappingNode):
            return Tagged(suffix, self.construct_mapping(node, deep=True))
        if isinstance(node, yaml.SequenceNode):
            return Tagged(suffix, self.construct_sequence(node, deep=True))
        return Tagged(suffix, node.value)


_TagLoader.add_multi_constructor("!", _TagLoader.construct_tagged)


def read_yaml(path: Path, *, tags: bool = False) -> dict[str, Any]:
    """Read a small file of settings in YAML: plain data, without aliases.

    Args:
        path: the file.
        tags: keep local tags, such as `!new:a.b`, as `Tagged`; else they are refused, as Python's always are.

    Raises:
        ModelError: as `read_text`, or it holds no settings.
    """
    text = read_text(path)
    try:
        settings = yaml.load(text, Loader=_TagLoader if tags else _NoAliasLoader)  # noqa: S506 - safe ones with less
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{path.name} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path.name} has no settings")
    return settings
