"""`emovox batch`."""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import click
import rich.progress
from rich.console import Console

from emovox.batch.config import BatchConfig
from emovox.batch.engine import BatchEngine
from emovox.batch.local import LocalEngine
from emovox.batch.run import Batch
from emovox.batch.status import Status
from emovox.batch.tasks import Plan
from emovox.cli import library, parameters
from emovox.cli.baseline import FEW
from emovox.cli.report import bar, counted, fitted, label, printable, relation
from emovox.emotions import BY_NAME, NAMES
from emovox.exports import needs
from emovox.exports.verdict import two_decimals
from emovox.inference.options import Options
from emovox.models.loading import PrecisionChoice, mapping_of
from emovox.settings import settings

_LINE = 30.0  # seconds between lines of progress, without a terminal


@click.command(no_args_is_help=True)
@click.argument("source", metavar="INPUT")
@click.option(
    "--out",
    required=True,
    metavar="DIR|URL",
    help="Where the tables are written; a run that stopped resumes there.",
)
@click.option(
    "--column",
    metavar="NAME",
    help="The manifest's column of paths, URLs or audio bytes.  [default: path, file, url, audio…, if it has one]",
)
@functools.partial(
    parameters.recognition,
    many="; corpus: to all recordings of this batch, which takes two passes; "
    "speaker: to those of each speaker, by the manifest's column speaker",
)
@click.option(
    "--outputs-dirs", is_flag=True, help="Also make an outputs directory for each recording, in DIR/outputs."
)
@parameters.exports("Write these files into each outputs directory.")
@click.option(
    "--archive",
    is_flag=True,
    help="Archive each outputs directory too, with its embedding: in DIR/outputs.db, see `emovox archive`.",
)
@parameters.keep
@click.option("--retry-failed", is_flag=True, help="Retry the recordings in the table of errors.")
@click.option(
    "--engine",
    "engine_name",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where to run: on this machine's cores or GPUs, or on a Ray cluster.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Address of the Ray cluster.  [default: RAY_ADDRESS, or a new one on this machine]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Number of worker processes.  [default: one per core, or per GPU]",
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions shown.  [default: en]")
@click.option("--quiet", "-q", is_flag=True, help="Errors only: no progress, no summary.")
def batch(
    source: str,
    out: str,
    column: str | None,
    options: Options,
    channels: str,
    formats: tuple[str, ...],
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    outputs_dirs: bool,
    archive: bool,
    retry_failed: bool,
    engine_name: str,
    address: str | None,
    workers: int | None,
    labels: str | None,
    quiet: bool,
) -> int:
    """Recognise many recordings into Parquet tables: a folder on a laptop, or a bucket on a cluster.

    INPUT is a directory, a glob, or a manifest: CSV, JSON lines or Parquet with a column of paths, URLs
    or audio bytes. INPUT and OUT may be in object storage: s3://, gs://, az://, hf://.

    After an interruption or a crash, run the same command again to resume. Content that was already recognised is
    not recognised again.

    \b
    emovox batch recordings/ --out results
    emovox batch 'calls/2026-*/**/*.opus' --out results --channels split --segments
    emovox batch calls.csv --column file --out results --embedding
    emovox batch calls/ --out results --outputs-dirs --archive --segments
    emovox batch calls/ --out results --baseline corpus --expect neutral=0.8
    emovox batch s3://calls/2026/ --out s3://results/2026 --model emotion2vec_plus_large
    emovox batch s3://calls/2026/ --out s3://results/2026 --engine ray --address ray://head:10001
    python -c "import pandas; print(pandas.read_parquet('results/recognitions'))"

    Exit code: 0 success, 1 some recordings or exports failed (results/errors says why), 2 usage error, 3 the Ray
    cluster can't be reached or was lost: run the same command again to resume.
    """  # noqa: D301  click needs the backspace itself
    if not out:
        raise click.BadParameter("the name is empty: is a variable unset?", param_hint="--out")
    if formats and not outputs_dirs:
        raise click.UsageError("--export writes files into outputs directories: add --outputs-dirs")
    if archive and not outputs_dirs:
        raise click.UsageError("--archive keeps what outputs directories hold: add --outputs-dirs")
    if address is not None and engine_name != "ray":
        raise click.UsageError("--address is only for --engine ray")
    if outputs_dirs and engine_name != "local":
        raise click.UsageError("--outputs-dirs writes to this machine, and --engine ray runs on others")
    if archive:
        library.need_library()
    wish = BatchConfig(
        source=source,
        out=out,
        column=column,
        model=model or settings().model,
        mapping=mapping_of(model or settings().model, mapping),
        precision=precision,
        options=options.showing(needs(formats)) if formats else options,
        split_channels=channels == "split",
        outputs_dirs=outputs_dirs,
        formats=formats,
        archive=archive,
        labels=labels or settings().labels,
        retry_failed=retry_failed,
        sound=settings().keep == "all",
    )
    with BatchProgress(shown=not quiet) as progress:
        status = Batch(wish, _engine(engine_name, address, workers), progress.tell).run()
    if not quiet:
        for line in _summary(status, wish):
            click.echo(line, err=True)
    failed = status.failed + status.failed_before
    for path, reason in status.reasons:
        click.echo(f"Error: {printable(path)}: {reason}", err=True)
    if failed:
        click.echo(f"Error: {counted(failed, 'recording')} failed: {out.rstrip('/')}/errors says why", err=True)
    if status.incomplete:
        incomplete = counted(status.incomplete, "recording")
        click.echo(
            f"Error: of {incomplete} exports are missing: {out.rstrip('/')}/errors says which, and why", err=True
        )
    return 1 if failed or status.incomplete else 0


def _engine(name: str, address: str | None, workers: int | None) -> Callable[[Plan], BatchEngine]:
    if name == "local":
        return lambda plan: LocalEngine(plan, workers=workers or 0, threads=settings().threads or 1)
    from emovox.batch.cluster import RayEngine  # noqa: PLC0415  an extra

    return lambda plan: RayEngine(plan, address=address, workers=workers or 0)


class BatchProgress:
    """A bar on a terminal; elsewhere a line now and then."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._told, self._trouble = time.monotonic(), ""
        self._bar = rich.progress.Progress(
            rich.progress.SpinnerColumn(),
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
            disable=not (shown and self._terminal),
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "BatchProgress":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()

    def tell(self, status: Status) -> None:
        """Show how far a run has come."""
        finished = status.done + status.failed
        total = None if status.listing else status.listed
        if status.second is not None:
            finished, total = status.second
        if self._terminal:
            self._bar.update(self._task, completed=finished, total=total, description=line(status))
        elif self._shown and (time.monotonic() - self._told >= _LINE or status.trouble != self._trouble):
            self._told, self._trouble = time.monotonic(), status.trouble
            click.echo(line(status), err=True)


def line(status: Status) -> str:
    """How far a run has come, in one line."""
    hours = status.seconds / 3600
    listed = f"{status.listed:,}{'+' if status.listing else ''}"
    pace = f"{hours:,.2f} h of audio, {3600 * hours / status.elapsed:,.1f} h per hour"
    if status.second is not None:
        return f"second pass: {status.second[0]:,} of {status.second[1]:,} made relative"
    remaining = "" if status.remaining is None else f", {_clock(status.remaining)} left"
    failures = f", {status.failed:,} failed" if status.failed else ""
    trouble = f"; {status.trouble}" if status.trouble else ""
    return f"{status.done + status.failed:,} of {listed}: {pace}{remaining}{failures}{trouble}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _summary(status: Status, wish: BatchConfig) -> list[str]:
    """Emotions, throughput, the slowest recordings."""
    shares = [
        (f"{BY_NAME[name].emoji} {label(name, wish.labels):<10}", status.emotions[name])
        for name in NAMES
        if name in status.emotions
    ]
    shares += [(fitted(name, 13), count) for name, count in status.labels.most_common()]
    total = sum(count for _, count in shares)
    lines = [
        f"{name} {count:>9,}  {100 * count / total:5.1f} %  {bar(count / total).rstrip()}"
        for name, count in shares
    ]
    lines += [
        f"{fitted(name, 13)} {number:>9,}  mean {two_decimals(total / number)}"
        for name, (total, number) in status.values.items()
    ]
    if status.slowest and status.slowest[0][0] >= 1:
        lines.append("slowest:")
        lines += [f"  {seconds:8.1f} s  {printable(path)}" for seconds, path in status.slowest if seconds >= 1]
    facts = [f"{counted(status.done, 'recording')} recognised"]
    facts += [f"{status.same:,} of them duplicates"] if status.same else []
    facts += [f"{status.before:,} in earlier runs"] if status.before else []
    facts += [f"{status.failed + status.failed_before:,} failed"] if status.failed + status.failed_before else []
    model = status.model
    by_model = "" if model is None else f" by {model.name} {model.revision} ({model.precision})"
    lines.append(
        f"{', '.join(facts)}; {status.seconds / 3600:,.2f} h of audio in {_clock(status.elapsed)}{by_model}, "
        f"{status.seconds / status.elapsed:,.1f} h per hour with {counted(status.workers, 'worker')}; "
        f"tables in {wish.out}"
    )
    if wish.options.baseline is not None:
        lines.append(relation(wish.options.baseline, wish.options.expect))
    if status.corpus is not None:
        few = f"; {FEW} would give nearly all that can be had" if status.corpus < FEW else ""
        lines[-1] += f", {counted(status.corpus, 'recording')} with speech{few}"
    return lines
