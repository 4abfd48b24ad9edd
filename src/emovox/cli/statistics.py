"""`emovox archive stats`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from emovox.cli import library, parameters
from emovox.cli.report import clock, counted, label, printable, relation
from emovox.emotions import NAMES
from emovox.exports.plane import AROUSAL, VALENCE
from emovox.exports.verdict import two_decimals
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.archive.statistics import ReadoutStats, ValueStats


@click.command()
@library.filters
@library.relative
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions.  [default: en]")
@parameters.outputs("The outputs whose archive it is.")
def stats(
    filters: tuple[str, ...],
    baseline: str | None,
    expect: dict[str, float] | None,
    form: str,
    labels: str | None,
) -> None:
    """Count what is in the archive: by emotion, by day, by tag, by model.

    Of readouts beside the nine emotions, too: how often each class leads, or each value's mean and standard
    deviation.

    \b
    emovox archive stats
    emovox archive stats --filter tag=complaint --filter since=2026-11-01
    emovox archive stats --baseline line3 --expect neutral=0.8
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        totals = library.view(archive, filters, baseline, expect).stats()
    if form == "json":
        click.echo(json.dumps(asdict(totals), ensure_ascii=False, indent=2))
        return
    recordings = counted(totals.recordings, "recording")
    click.echo(f"{recordings} ({clock(totals.seconds)}), {counted(totals.recognitions, 'recognition')}")
    language = labels or settings().labels
    emotions = {label(name, language): totals.by_emotion[name] for name in NAMES if name in totals.by_emotion}
    parts = {"emotion": emotions, "day": totals.by_day, "tag": totals.by_tag, "model": totals.by_model}
    for title, counts in parts.items():
        if counts:
            relative = title == "emotion" and baseline is not None
            click.echo(f"\nby {title}" + (f", {relation(totals.relative_to, expect)}" if relative else ""))
            library.table(_shares(counts, totals.recognitions))
    drawable = False
    for name, readout in totals.readouts.items():
        if readout.by_label:
            click.echo(f"\nby {printable(name)}.label")
            library.table(_shares(readout.by_label, sum(readout.by_label.values())))
        if readout.values:
            drawable = drawable or {AROUSAL, VALENCE} <= {value.casefold() for value in readout.values}
            click.echo(f"\n{printable(name)}: mean ± standard deviation")
            library.table(_values(readout))
    if drawable:
        click.echo("\nto see arousal and valence: emovox archive plane", err=True)


def _shares(counts: dict[str, int], total: int) -> list[tuple[str, ...]]:
    return [
        (f"  {printable(name)}", f"{count:8d}", f"{100 * count / total:5.1f} %") for name, count in counts.items()
    ]


def _values(readout: "ReadoutStats") -> list[tuple[str, ...]]:
    """A row for all, and for each day, tag and model, with a column for each value."""
    tags = {f"#{name}": values for name, values in readout.by_tag.items()}
    rows: list[tuple[str, ...]] = [("", "", *(f"{printable(name):>11}" for name in readout.values))]
    for group, values in ({"all": readout.values} | readout.by_day | tags | readout.by_model).items():
        cells = [_value(values.get(name)) for name in readout.values]
        count = max(value.count for value in values.values())
        rows.append((f"  {printable(group)}", f"{count:8d}", *cells))
    return rows


def _value(value: "ValueStats | None") -> str:
    if value is None:
        return ""
    deviation = "" if value.deviation is None else f" ± {value.deviation:.2f}"
    return f"{two_decimals(value.mean)}{deviation}".rjust(11)
