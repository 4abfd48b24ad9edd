"""`emovox config`."""

import json

import click
from pydantic import SecretStr

from emovox.settings import Settings, config_path, origins, settings


@click.group(no_args_is_help=True)
def config() -> None:
    """Show the settings."""


@config.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(form: str) -> None:
    """Print every setting: its value, where that comes from, and what it is for."""
    values, found = settings(), origins()
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(values, name)
        if isinstance(value, SecretStr):
            value = "(secret)" if value.get_secret_value() else ""
        shown = value if isinstance(value, (bool, int, float)) else str(value)
        rows.append(
            {
                "name": f"EMOVOX_{name.upper()}",
                "value": shown,
                "origin": found[name],
                "for": field.description or "",
            }
        )
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    click.echo(f"# config file: {config_path()}{'' if config_path().exists() else ' (there is none)'}")
    for row in rows:
        value = json.dumps(row["value"], ensure_ascii=False)
        click.echo(f"{row['name']} = {value}  # {row['origin']}; {row['for']}")
