"""`emovox schema`."""

import json

import click

from emovox.inference.recognition import json_schema


@click.command()
def schema() -> None:
    """Print the JSON Schema of result.json."""
    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
