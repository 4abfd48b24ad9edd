"""`emovox map`."""

from pathlib import Path
from typing import Literal

import click

from emovox.cli import library, parameters
from emovox.errors import ArchiveError
from emovox.settings import settings


@click.command("map")
@click.argument("file", default="map.html", type=click.Path(dir_okay=False, path_type=Path), metavar="[FILE]")
@library.filters
@click.option(
    "--method",
    type=click.Choice(["auto", "umap", "pca"]),
    default="auto",
    show_default=True,
    help="How recordings are placed; auto: UMAP where it is installed.",
)
@click.option("--limit", type=click.IntRange(2), default=20_000, show_default=True, help="How many, latest first.")
@click.option(
    "--embed-audio", is_flag=True, help="The sound in the page itself, up to 2 MB each and 200 MB in all."
)
@click.option(
    "--raw", is_flag=True, help="By the embeddings as the model gives them, neither centred nor whitened."
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the page.  [default: en]")
@parameters.outputs("The outputs whose archive it is.")
def map_(
    file: Path,
    filters: tuple[str, ...],
    method: Literal["auto", "umap", "pca"],
    limit: int,
    embed_audio: bool,
    raw: bool,
    labels: str | None,
) -> None:
    """Draw the archive as a map: FILE (map.html), a page by itself, on which every recording is a point.

    What sounds alike lies together. Colours and shapes are emotions, a click plays the recording; points can be
    coloured by cluster where scikit-learn is installed. Sounds are linked to the outputs directories, relative to
    FILE, so keep it beside them; or take --embed-audio.

    \b
    emovox map
    emovox map november.html --filter since=2026-11-01 --embed-audio --labels zh
    """  # noqa: D301  click needs the backspace itself
    wanted = library.parse(filters)
    from emovox.archive.map.map import write_map  # noqa: PLC0415  an extra

    if not file.absolute().parent.is_dir():
        raise ArchiveError(f"{file.absolute().parent}: no such directory")
    with library.read_archive(needed=True) as kept:
        found, vectors = kept.embedded(wanted, limit=limit, raw=raw)
    drawn = write_map(
        file, found, vectors, method=method, embed_audio=embed_audio, language=labels or settings().labels
    )
    clusters = f", {drawn.clusters} clusters" if drawn.clusters else ""
    click.echo(
        f"{file}: {drawn.points} recordings by {drawn.method}{clusters}, {drawn.sounding} with sound", err=True
    )
