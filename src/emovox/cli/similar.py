"""`emovox similar`."""

import json
import os
from pathlib import Path
from typing import Any

import click

from emovox.cli import library, parameters
from emovox.cli.report import clock, label, printable
from emovox.emotions import BY_NAME
from emovox.errors import ArchiveError
from emovox.inference.recognizer import Recognizer
from emovox.models.loading import PrecisionChoice
from emovox.policy import SIDES, Sides
from emovox.settings import settings


@click.command(no_args_is_help=True)
@click.argument("clip", metavar="CLIP|ID|OUTPUTS_DIR")
@click.option("--k", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@library.filters
@click.option("--segments", is_flag=True, help="Look among segments instead of recordings.")
@click.option(
    "--raw", is_flag=True, help="Compare embeddings as the model gives them, neither centred nor whitened."
)
@parameters.option(
    "side",
    metavar="SIDE",
    help=f"Whose voice CLIP is: {', '.join(SIDES)}. The policy may allow no comparison of workers and pupils.",
)
@parameters.option("purpose", help="What CLIP is recognised for, in a few words.")
@parameters.option("consent", help="Where the consent is kept, as 'form 12/2026'.")
@parameters.model("The model that CLIP is recognised with.  [default: auto]")
@parameters.precision("Of the arithmetic.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions.  [default: en]")
@parameters.outputs("The outputs whose archive it is.")
def similar(
    clip: str,
    k: int,
    filters: tuple[str, ...],
    segments: bool,
    raw: bool,
    side: Sides | None,
    purpose: str | None,
    consent: str | None,
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    form: str,
    labels: str | None,
) -> None:
    """Find what in the archive sounds most like a recording: CLIP, or one in the archive.

    Two cosines are shown: of embeddings that are centred and whitened on the archive, which is what the list is
    ordered by, and of raw embeddings, which lie close together; --raw orders by those. Embeddings of different
    models are never compared. They get into the archive with `emovox recognize --archive`, or from embedding.npy.

    \b
    emovox similar call.wav
    emovox similar call.wav --k 5 --filter emotion=angry --segments
    emovox similar outputs/outputs_20240104_223000 --raw
    """  # noqa: D301  click needs the backspace itself
    where = library.parse(filters)
    with library.read_archive(needed=True) as archive:
        records = archive.lookup(clip)
        to: Any = records[0] if records else None
        if to is None:
            if not os.path.lexists(clip):  # which, unlike exists, also takes a name that is too long
                raise ArchiveError(
                    f"{printable(clip)}: neither a file nor an id or outputs directory of the archive"
                )
            to = Recognizer(model, precision=precision, mapping=mapping, isolate=True).recognize(
                clip, embedding=True, side=side, purpose=purpose, consent=consent
            )
        neighbours = archive.similar(to, k=k, where=where, segments=segments, raw=raw)
    if form == "json":
        click.echo(json.dumps([item.to_dict() for item in neighbours], ensure_ascii=False, indent=2))
        return
    if not neighbours:
        click.echo("nothing to compare it with: no other embedding of its model matches", err=True)
        return
    language = labels or settings().labels
    click.echo("similarity    raw  id            emotion")
    for item in neighbours:
        verdict, times = library.verdict(item.record, language), ""
        if item.segment:
            name = item.segment["emotion"]
            if name is not None:  # else the archive has the verdict on the recording alone
                emotion = f"{BY_NAME[name].emoji} {label(name, language)}"
                verdict = library.classified(emotion, item.segment["confidence"])
            times = f"  {clock(item.segment['start'])} – {clock(item.segment['end'])}"
        library.table(
            [
                (
                    f"{item.similarity:10.3f}",
                    f"{item.cosine:5.3f}",
                    item.record.id[:12],
                    verdict,
                    f"{printable(item.record.name or '')}{times}",
                )
            ]
        )
