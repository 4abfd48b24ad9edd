"""The reference: commands from their help, the HTTP API from its OpenAPI document, the library from docstrings.

Written anew with each build, so it can't say other than the program does.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import emovox
import emovox.plugins
from emovox.cli import COMMANDS
from emovox.cli import emovox as command
from website.pages import ROOT

Tree = dict[str, Any]
"""A part of a JSON document."""


def write(directory: Path) -> None:
    """Write the three pages."""
    (directory / "reference").mkdir(exist_ok=True)
    (directory / "reference" / "commands.md").write_text("\n".join(commands()), encoding="utf-8")
    (directory / "reference" / "http.md").write_text("\n".join(http(_openapi())), encoding="utf-8")
    (directory / "reference" / "python.md").write_text("\n".join(python()), encoding="utf-8")


def commands() -> Iterator[str]:
    """The help of each command, as it prints it."""
    yield "# Commands\n"
    context = click.Context(command, info_name="emovox", terminal_width=86)
    yield from _help(context)
    for name in COMMANDS:
        yield from _command(name, command.get_command(context, name), context)


def _command(name: str, part: click.Command | None, parent: click.Context) -> Iterator[str]:
    if part is None or part.hidden:
        return
    context = click.Context(part, info_name=name, parent=parent, terminal_width=86)
    depth = context.command_path.count(" ") + 1
    yield f"{'#' * depth} {context.command_path}\n"
    yield from _help(context)
    if isinstance(part, click.Group):
        for child in part.list_commands(context):
            yield from _command(child, part.get_command(context, child), context)


def _help(context: click.Context) -> Iterator[str]:
    yield f"```text\n{context.command.get_help(context)}\n```\n"


def _openapi() -> Tree:
    printed = subprocess.run([sys.executable, ROOT / "web" / "openapi.py"], check=True, capture_output=True)
    document: Tree = json.loads(printed.stdout)
    return document


def http(document: Tree) -> Iterator[str]:
    """Each operation with its parameters and answers, by tag."""
    yield "# HTTP API\n\n" + document["info"].get("description", "") + "\n"
    tags: dict[str, list[tuple[str, Tree]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tags.setdefault(operation.get("tags", ["other"])[0], []).append(
                (f"{method.upper()} {path}", operation)
            )
    answers = [operation["responses"] for members in tags.values() for _, operation in members]
    common = {
        code: answer
        for code, answer in answers[0].items()
        if all(code in other for other in answers) and code > "3"
    }
    yield "Any answer may be one of these:\n"
    yield from _answers(common)
    for tag, members in tags.items():
        yield f"## {tag.capitalize()}\n"
        for name, operation in members:
            yield f"### {name}\n"
            yield from _operation(operation, document)
            yield from _answers(
                {code: text for code, text in operation["responses"].items() if code not in common}
            )


def _answers(answers: Tree) -> Iterator[str]:
    yield "\n".join(f"* **{code}** {_cell(answer['description'])}" for code, answer in answers.items()) + "\n"


def _operation(operation: Tree, document: Tree) -> Iterator[str]:
    yield operation.get("description") or operation.get("summary", "")
    yield ""
    rows = [
        (part["name"], part["in"], part["schema"], part.get("description", ""))
        for part in operation.get("parameters", ())
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content.get("schema", {}), document)
        rows += [
            (name, kind, part, part.get("description", "")) for name, part in schema.get("properties", {}).items()
        ]
    if rows:
        yield "| name | in | is | |\n| --- | --- | --- | --- |"
        yield "\n".join(f"| `{n}` | {i} | {_type(s)} | {_cell(d)} |" for n, i, s, d in rows) + "\n"


def _resolved(schema: Tree, document: Tree) -> Tree:
    if "$ref" not in schema:
        return schema
    target: Tree = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return target


def _type(schema: Tree) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if schema.get("type") == "array":
        return "list of " + _type(schema.get("items", {}))
    return str(schema.get("format") or schema.get("type") or "any")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def python() -> Iterator[str]:
    """The public names of the library, as mkdocstrings reads their docstrings."""
    yield "# Python\n\nErrors are below; all are subclasses of `EmovoxError`. What plug-ins use comes last.\n"
    names = sorted(emovox.__all__, key=lambda name: (name.endswith("Error"), name))
    own = [name for name in emovox.plugins.__all__ if name not in names]
    values = [*(getattr(emovox, name) for name in names), *(getattr(emovox.plugins, name) for name in own)]
    for value in values:
        name = getattr(value, "__name__", "")
        home = getattr(value, "__module__", None)
        if callable(value) and home:
            yield f"::: {home}.{name}\n"
