"""`emovox archive plane`."""

from collections import Counter
from pathlib import Path
from typing import Literal, cast

import click

from emovox.cli import library, parameters
from emovox.cli.report import counted
from emovox.errors import ArchiveError
from emovox.exports.plane import Plane, Point, find_plane, write_points
from emovox.exports.replacement import replacing
from emovox.packages import install, missing
from emovox.settings import settings


@click.command()
@click.argument("file", default="plane.png", type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE]")
@library.filters
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the picture.  [default: en]")
@parameters.outputs("The outputs whose archive it is.")
def plane(file: Path, filters: tuple[str, ...], labels: str | None) -> None:
    """Draw the archive's recordings in the plane of arousal and valence: FILE (plane.png), or an .svg.

    Every recording is a dot, in the colour of its emotion where the model gives one, and a cross is the mean of
    all. What has no values called arousal and valence is left out. The way of one recording through the plane is
    `emovox export --format plane`.

    \b
    emovox archive plane
    emovox archive plane calls.svg --filter tag=complaint
    """  # noqa: D301  click needs the backspace itself
    kind = file.suffix.lower().removeprefix(".")
    if kind not in {"png", "svg"}:
        raise click.BadParameter(f"{file.name}: name it .png or .svg", param_hint="FILE")
    if missing(["matplotlib"]):
        raise click.UsageError(f"a picture needs matplotlib, which isn't installed: {install('matplotlib')}")
    where = library.parse(filters)
    pairs: list[tuple[Plane, Point]] = []
    others = 0
    with library.read_archive(needed=True) as archive:
        for record in archive.all(where):
            if (own := find_plane(record.readouts)) is None:
                others += 1
                continue
            values = record.readouts[own.readout].values or {}
            pairs.append((own, Point(values[own.valence], values[own.arousal], record.emotion)))
    if not pairs:
        raise ArchiveError(
            "nothing here has values called arousal and valence: recognise with a model that gives them, "
            "and --archive"
        )
    ranges = Counter(own.range for own, _ in pairs)
    [(range_, _)] = ranges.most_common(1)
    points = [point for own, point in pairs if own.range == range_]
    language = labels or settings().labels
    with replacing(file) as binary:
        write_points(points, binary, kind=cast("Literal['png', 'svg']", kind), language=language, range_=range_)
    left_out = others + len(pairs) - len(points)
    notes = []
    if others:
        notes.append(f"{others} without arousal and valence")
    if len(ranges) > 1:
        notes.append(f"{len(pairs) - len(points)} on another scale: choose a model with --filter model=NAME")
    click.echo(
        f"{file}: {counted(len(points), 'recording')}" + (f"; left out: {', '.join(notes)}" if left_out else ""),
        err=True,
    )
