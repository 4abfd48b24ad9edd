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
    help="How embeddings are projected; auto: UMAP if it is installed.",
)
@click.option("--limit", type=click.IntRange(2), default=20_000, show_default=True, help="How many, latest first.")
@click.option(
    "--embed-audio", is_flag=True, help="Put sounds into the page itself, up to 2 MB each and 200 MB in all."
)
@click.option("--raw", is_flag=True, help="Use embeddings as the model gives them, neither centred nor whitened.")
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
    """Draw the archive as a map: FILE (map.html), a page on which every recording is a point.

    Recordings that sound alike lie together. Colours and shapes are emotions, a click plays the recording; points
    can be coloured by cluster if scikit-learn is installed. Sounds are links into the outputs directories,
    relative to FILE: keep it beside them, or use --embed-audio.

    \b
    emovox map
    emovox map november.html --filter since=2026-11-01 --embed-audio --labels zh
    """  # noqa: D301  click needs the backspace itself
    where = library.parse(filters)
    from emovox.archive.map.map import write_map  # noqa: PLC0415  an extra

    if not file.absolute().parent.is_dir():
        raise ArchiveError(f"{file.absolute().parent}: no such directory")
    with library.read_archive(needed=True) as archive:
        records, vectors = archive.embedded(where, limit=limit, raw=raw)
    page = write_map(
        file, records, vectors, method=method, embed_audio=embed_audio, language=labels or settings().labels
    )
    clusters = f", {page.clusters} clusters" if page.clusters else ""
    click.echo(
        f"{file}: {page.points} recordings by {page.method}{clusters}, {page.sounding} with sound", err=True
    )
