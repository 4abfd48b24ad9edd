"""`emovox schema`."""

import json

import click

from emovox.inference.recognition import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of result.json.

    \b
    emovox schema > result.schema.json
    """  # noqa: D301  click needs the backspace itself
    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
