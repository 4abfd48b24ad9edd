"""`emovox archive moments` and `emovox archive flag`."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from emovox.cli import library, parameters
from emovox.cli.report import clock, counted, printable, relation
from emovox.exports.verdict import two_decimals
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.moments import Moment, RecordMoments
    from emovox.archive.rule import Rule

_OUTPUTS = parameters.outputs("The outputs whose archive it is.")
COLUMNS = ("id", "name", "channel", "side", "start", "end", "speech", "peak", "mean", "created", "outputs",
           "relative_to")  # fmt: skip


@click.command(no_args_is_help=True)
@click.argument("rule", metavar="RULE|FLAG")
@library.filters
@library.relative
@click.option("--limit", type=click.IntRange(1), help="Recognitions at most, latest first.  [default: all]")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@_OUTPUTS
def moments(
    rule: str,
    filters: tuple[str, ...],
    baseline: str | None,
    expect: dict[str, float] | None,
    limit: int | None,
    form: str,
) -> None:
    """Find moments in all recordings: where RULE holds, or that of a flag.

    RULE is a name, >=, >, <= or <, a number, and if need be for how many seconds of speech, and of whose voice.
    Names are the nine emotions, in English or Chinese, and what models give besides them. A moment is a run of
    segments in each of which the rule holds, with pauses of a second at most: what changes within a segment isn't
    seen, and a recording without segments has none.

    \b
    emovox archive moments 'angry >= 60% for 3s'
    emovox archive moments '愤怒 >= 60% 持续 3 秒'
    emovox archive moments 'arousal >= 0.7 for 2s' --filter tag=calls --format csv > moments.csv
    emovox archive moments 'angry >= 60% for 3s of customer' --baseline recognized
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        view = library.view(archive, filters, baseline, expect)
        flag_rule = archive.flags.rule(rule)
        rows: list[RecordMoments] = []
        for row in view.moments(flag_rule):
            if limit is not None and len(rows) == limit:
                break
            rows.append(row)
        blind = view.without_segments(flag_rule)
    if form == "json":
        click.echo(json.dumps([_facts(row) for row in rows], ensure_ascii=False, indent=2))
    elif form == "csv":
        from emovox.spreadsheets import writer  # noqa: PLC0415

        write = writer(sys.stdout)
        write(COLUMNS)
        for row in rows:
            for moment in row.moments:
                facts = row.record.to_dict() | moment.to_dict()
                write([facts[name] for name in COLUMNS])
    else:
        for row in rows:
            click.echo(library.line(row.record, settings().labels))
            for moment in row.moments:
                click.echo(_line(moment, flag_rule))
    count = sum(len(row.moments) for row in rows)
    text = f"{flag_rule}: {counted(count, 'moment')} in {counted(len(rows), 'recognition')}"
    click.echo(printable(text), err=True)
    if baseline is not None:
        click.echo(relation(view.relative_to, expect), err=True)
    if blind:
        click.echo(f"{counted(blind, 'recognition')} without segments: recognise with --segments", err=True)


@click.command()
@click.argument("name", required=False)
@click.argument("rule", required=False)
@click.option("--remove", is_flag=True, help="Take the flag NAME away instead.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@_OUTPUTS
def flag(name: str | None, rule: str | None, remove: bool, form: str) -> None:
    """Keep a rule that finds moments under NAME, for all who use the archive; without NAME list the flags.

    \b
    emovox archive flag complaint 'angry >= 60% for 3s of customer'
    emovox archive flag
    emovox archive moments complaint
    emovox archive flag complaint --remove
    """  # noqa: D301  click needs the backspace itself
    if remove and (name is None or rule is not None):
        raise click.UsageError("--remove takes the NAME of a flag alone")
    if name is None:
        with library.read_archive() as archive:
            flags = archive.flags.all()
        if form == "json":
            rules = [{"name": item.name, "rule": str(item.rule)} for item in flags]
            click.echo(json.dumps(rules, ensure_ascii=False, indent=2))
        elif flags:
            library.table([(printable(item.name), item.rule.text(settings().labels)) for item in flags])
        return
    with library.open_archive() as archive:
        if remove:
            if not archive.flags.remove(name):
                raise click.UsageError(f"there is no flag called {printable(name)}")
        elif rule is None:
            raise click.UsageError("give the RULE, too: emovox archive flag NAME 'angry >= 60% for 3s'")
        else:
            item = archive.flags.put(name, rule)
            click.echo(f"{printable(item.name)}: {item.rule}", err=True)


def _facts(row: "RecordMoments") -> dict[str, Any]:
    return {**row.record.to_dict(), "moments": [moment.to_dict() for moment in row.moments]}


def _line(moment: "Moment", rule: "Rule") -> str:
    number = f"{100 * moment.peak:.1f} %" if rule.percent else two_decimals(moment.peak)
    return f"{'':14}{clock(moment.start):>9} – {clock(moment.end):<9}  {moment.speech:6.1f} s  {number}"
