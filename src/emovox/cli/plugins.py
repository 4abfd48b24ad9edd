"""`emovox plugins`."""

import json
from dataclasses import asdict

import click

from emovox.cli.report import printable
from emovox.plugins import plugins as find_plugins

_TITLES = {
    "emovox.exports": "export",
    "emovox.model_families": "model family",
    "emovox.labels": "label files",
}


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def plugins(form: str) -> int:
    """List what installed packages add: exports, model families, readers of label files.

    Each is loaded, to see whether it can be used. A plug-in is code that you installed, and has all your rights.

    Exit code: 0 all can be used, 1 one can't.
    """
    items = find_plugins()
    if form == "json":
        click.echo(json.dumps([asdict(item) for item in items], ensure_ascii=False, indent=2))
    elif not items:
        click.echo("No installed package adds anything to Emovox.")
    else:
        width = max(len(item.name) for item in items)
        for item in items:
            text = f"{_TITLES[item.group]:12}  {item.name:{width}}  {item.package} {item.version}"
            click.echo(printable(f"{text}{'  ! ' if item.problem else ''}{item.problem}"))
    return 1 if any(item.problem for item in items) else 0
