"""`emovox notice`."""

from typing import TYPE_CHECKING, get_args

import click

from emovox.notices import notice as notices
from emovox.policy import policy
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.notices.notice import Audience


@click.command()
@click.option("--language", type=click.Choice(notices.languages()), default="en", show_default=True)
@click.option(
    "--for",
    "audience",
    type=click.Choice(get_args(notices.Audience)),
    default="callers",
    show_default=True,
    help="Who is told: people on the telephone, participants of a study, or users of a page or program.",
)
@click.option("--operator", metavar="NAME", help="Who is responsible.")
@click.option("--purpose", help="What it is for, as the end of a sentence.")
@click.option("--contact", metavar="TEXT", help="Whom to ask, and how: an address, a number.")
@click.option("--days", type=click.IntRange(1), help="After how many days results are deleted.")
@click.option("--model", metavar="NAME", help="The model that is used.  [default: the setting]")
@click.option("--aloud", is_flag=True, help="A short one, to be read aloud.")
def notice(
    language: str,
    audience: "Audience",
    operator: str | None,
    purpose: str | None,
    contact: str | None,
    days: int | None,
    model: str | None,
    aloud: bool,
) -> None:
    """Write what people are told before emotions are inferred from their voices.

    In the European Union those exposed to an emotion recognition system must be told that it works, at the latest
    when it begins (Regulation (EU) 2024/1689, Article 50(3) and (5), since 2 August 2026). What you don't say by
    an option isn't said: a notice without --operator, --contact and --days is hardly enough. Each sentence is
    yours to make true. The texts are drafts by people who are no lawyers; have yours look at them.

    \b
    emovox notice --language de --operator 'Beispiel AG' --contact datenschutz@beispiel.example --days 30
    emovox notice --language zh --for participants --purpose 语音情感研究
    emovox notice --aloud --contact 'press 9'

    Exit code: 0, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    from emovox.inference.recognizer import Recognizer  # noqa: PLC0415  loads the model's packages

    metadata = Recognizer(model or settings().model).metadata
    text = notices.notice(
        language,
        audience,
        model=f"{metadata.name} {metadata.revision}",
        policy=policy(),
        aloud=aloud,
        operator=operator,
        purpose=purpose,
        contact=contact,
        days=days,
    )
    click.echo(text)
    missing = [
        name for name, value in {"--operator": operator, "--contact": contact, "--days": days}.items() if not value
    ]
    if missing and not aloud:
        click.echo(f"Warning: it doesn't say what {', '.join(missing)} would", err=True)
