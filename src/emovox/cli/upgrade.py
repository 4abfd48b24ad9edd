"""`emovox archive upgrade`: what another revision of a model recognised, again by this one."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emovox.cli import library, parameters
from emovox.cli.progress import Progress
from emovox.cli.report import printable
from emovox.inference.recognizer import Recognizer
from emovox.models.loading import PrecisionChoice
from emovox.models.metadata import Metadata
from emovox.settings import settings

if TYPE_CHECKING:
    from emovox.upgrade.fitted import Outcome
    from emovox.upgrade.plan import Plan
    from emovox.upgrade.upgrade import Report

_SHOWN = 20  # recordings that could not be recognised


@click.command()
@parameters.model(f"The model, of the revision that is to be. {parameters.MODEL}  [default: auto]")
@parameters.precision("Of the arithmetic.")
@library.filters
@click.option("--dry-run", is_flag=True, help="Say what there is to do, and how long it takes; change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no summary.")
@parameters.outputs("The outputs whose archive it is.")
def upgrade(
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    filters: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    quiet: bool,
) -> int:
    """Recognise again what another revision of the model recognised, and fit heads and baselines again.

    Embeddings of two revisions can't be compared: a new revision doesn't find what an old one recognised, and
    refuses its heads and baselines. This infers again from the sound in outputs directories, or from recordings
    that are still where they were; trains heads on their lists and fits baselines to their recordings. Options are
    as they were, as far as they are stored. Times, tags and sound stay; exports that are there are written again.

    Until all is made nothing changes, and then everything does at once. If it is stopped, or killed, start it
    again: it goes on where it was. With --filter only those heads and baselines are fitted again that the
    selected were recognised with. For what stays as it is: --model NAME@REVISION, such as lite@5.

    \b
    emovox archive upgrade --dry-run
    emovox archive upgrade
    emovox archive upgrade --model lite --filter since=2026-01-01

    Exit code: 0 all well, 1 some recordings, heads or baselines stay as they are, 2 usage.
    """  # noqa: D301  click needs the backspace itself
    where = library.parse(filters)
    from emovox.upgrade.plan import plan as make_plan  # noqa: PLC0415  its packages are an extra
    from emovox.upgrade.selection import Selection  # noqa: PLC0415
    from emovox.upgrade.upgrade import Upgrade  # noqa: PLC0415

    with library.read_archive() as archive:
        recognizer = Recognizer(
            model,
            precision=precision,
            mapping=mapping,
            notice=lambda line: None if quiet else click.echo(line, err=True),
            isolate=True,
        )
        selection = Selection(archive, recognizer.metadata, where)
        plan = make_plan(selection, recognizer, estimate=dry_run or not yes)
        facts, work = recognizer.metadata, plan.doable + len(plan.heads) + len(plan.baselines)
        if dry_run or not (quiet and yes):
            _show_plan(plan, facts, filters)
        if dry_run or not work:
            return 0
        if not yes and not parameters.confirm("Go on?"):
            raise click.Abort
        total = sum(plan.records.values()) + len(plan.heads) + len(plan.baselines)
        with Progress(total, shown=not quiet) as progress:
            report = Upgrade(
                selection,
                recognizer,
                language=settings().labels,
                begin=progress.begin,
                end=progress.end,
                sink=progress.follow(None),
            ).run()
    _show_report(report, facts, quiet=quiet)
    fitted = [item.fitted for item in report.heads] + [item.fitted for item in report.baselines]
    return 1 if report.failed or report.left or None in fitted else 0


def _show_plan(plan: "Plan", facts: Metadata, filters: Sequence[str]) -> None:
    name = f"{facts.name} {facts.revision}"
    if not plan.records:
        click.echo(
            f"{'nothing selected' if filters else 'nothing in the archive'} is of another revision than {name}"
        )
    for revision, count in sorted(plan.records.items()):
        click.echo(f"{_many(count, 'recognition')} by {facts.name} {printable(revision)}")
    if plan.records:
        staged = f", {plan.staged} of them made already" if plan.staged else ""
        click.echo(f"{_many(plan.doable, 'recognition')} can be made again by {name}{staged}")
    if plan.estimate is not None:
        duration, takes = _time(plan.seconds), _time(plan.estimate)
        click.echo(f"{duration} of sound, which takes about {takes} here; heads and baselines come to that")
    _show_left(plan.left, facts)
    _show_without(plan.without)
    for kind, items in (("head", plan.heads), ("baseline", plan.baselines)):
        for item, reason in items.items():
            click.echo(
                printable(f"{kind} {item}: {f'stays as it is: {reason}' if reason else 'to be fitted again'}")
            )


def _show_report(report: "Report", facts: Metadata, *, quiet: bool) -> None:
    for name, reason in report.failed[:_SHOWN]:
        click.echo(f"Error: {printable(name)}: {printable(reason)}", err=True)
    if len(report.failed) > _SHOWN:
        click.echo(f"Error: and {len(report.failed) - _SHOWN} more", err=True)
    if quiet:
        return
    click.echo(f"{_many(report.upgraded, 'recognition')} of {facts.name} {facts.revision} now")
    _show_left(report.left, facts)
    _show_without(report.without)
    _show_outcomes("head", report.heads)
    _show_outcomes("baseline", report.baselines)


def _show_outcomes(kind: str, outcomes: "Sequence[Outcome[Any]]") -> None:
    for item in outcomes:
        state = "stays as it is" if item.fitted is None else "fitted again"
        click.echo(printable(f"{kind} {item.name}: {state}{f': {item.note}' if item.note else ''}"))


def _show_left(left: dict[str, int], facts: Metadata) -> None:
    for reason, count in left.items():
        stay = "stays as it is" if count == 1 else "stay as they are"
        click.echo(f"{_many(count, 'recognition')} {stay}: {reason}")
    if left:
        click.echo(
            f"They are listed, counted and exported as before, but {facts.name} {facts.revision} neither compares "
            f"them with others nor moves their scores; `--model {facts.name}@REVISION` of theirs does"
        )


def _show_without(without: dict[str, int]) -> None:
    for name, count in without.items():
        click.echo(f"{_many(count, 'recognition')} without the {printable(name)}, which isn't there any more")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _time(seconds: float) -> str:
    return str(timedelta(seconds=max(1, round(seconds))))
