"""`emovox config`."""

import json

import click
from pydantic import SecretStr

from emovox.settings import FIELDS, ServiceSettings, config_path, survey


@click.group(no_args_is_help=True)
def config() -> None:
    """Show the settings."""


@config.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(form: str) -> int:
    """Print every setting: its value, where that comes from, and what it is for.

    Exit code: 0 success, 2 a setting is wrong: it is named, and the others are printed.
    """
    settings, problems = survey()
    rows = []
    for setting in settings:
        value = setting.value
        if isinstance(value, SecretStr):
            value = "(secret)" if value.get_secret_value() else ""
        rows.append(
            {
                "name": f"EMOVOX_{setting.name.upper()}",
                "value": value if value is None or isinstance(value, (bool, int, float)) else str(value),
                "origin": setting.origin,
                "for": FIELDS[setting.name].description or "",
                "table": "service" if setting.name in ServiceSettings.model_fields else None,
            }
        )
        if setting.problem:
            problems.append(f"setting {setting.name}: {setting.problem} (from {setting.origin})")
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        click.echo(f"# config file: {config_path()}{'' if config_path().exists() else ' (not found)'}")
        for number, row in enumerate(rows):
            if row["table"] and not rows[number - 1]["table"]:
                click.echo("# settings of the service; in the file they go below the line [service]")
            value = json.dumps(row["value"], ensure_ascii=False)
            click.echo(f"{row['name']} = {value}  # {row['origin']}; {row['for']}")
    for problem in problems:
        click.echo(f"Error: {problem}", err=True)
    return 2 if problems else 0
