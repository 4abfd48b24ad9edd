"""`emovox archive corrections`: what people said of segments, listed and as a list to train and evaluate with."""

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from emovox import private
from emovox.audio.wav import WavWriter
from emovox.cli import library, parameters
from emovox.cli.report import clock, counted, printable
from emovox.errors import AudioError
from emovox.files import aside, replacing
from emovox.spreadsheets import writer

if TYPE_CHECKING:
    from emovox.archive import Archive, Correction

LIST = "labels.csv"
_COLUMNS = (
    "path", "label", "start", "end", "channel", "recording", "group", "said", "confidence", "model", "revision",
    "author", "created",
)  # fmt: skip


@click.command()
@click.option("--label", metavar="LABEL", help="Only these.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "jsonl"]), default="table", show_default=True)
@click.option(
    "--clips",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Write each segment's sound into DIR, and {LIST} beside them.",
)
@parameters.outputs("The outputs whose archive it is.")
def corrections(label: str | None, form: str, clips: Path | None) -> int:
    """List the segments that people corrected, latest first: what they are, and what the model had said.

    With --clips a list that `emovox head train` and `emovox evaluate` read: paths of short WAV files, their
    labels, and in the column `group` the recording that each is from, or its speaker where a tag such as
    speaker:anna says it, so that whole recordings or speakers are held out.

    \b
    emovox archive corrections
    emovox archive corrections --format csv > corrections.csv
    emovox archive corrections --clips corrected/
    emovox evaluate corrected/labels.csv
    emovox head train corrected/labels.csv --name calls

    Exit code: 0 all well, 1 of some the sound isn't stored (the others are written), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    with library.read_archive() as archive:
        items = [item for item in archive.corrections.all() if label in (None, item.label)]
        if clips is not None:
            return _write_clips(archive, items, clips)
        if form == "csv":
            _write(_rows(archive, items), sys.stdout)
            return 0
        for item in items:
            if form == "jsonl":
                click.echo(json.dumps(item.to_dict(), ensure_ascii=False))
            else:
                click.echo(_line(item))
    if form == "table" and items:
        counts: dict[str, int] = {}
        for item in items:
            counts[item.label] = counts.get(item.label, 0) + 1
        click.echo(
            f"{counted(len(items), 'segment')}: " + ", ".join(f"{printable(k)} {n}" for k, n in counts.items()),
            err=True,
        )
    return 0


def _line(item: "Correction") -> str:
    label = "–" if item.said is None else printable(item.said)
    confidence = "" if item.confidence is None else f" {100 * item.confidence:.0f} %"
    channel = "" if item.channel is None else f" [{item.channel}]"
    author = "" if item.author is None else f"  ({printable(item.author)})"
    name = printable(item.name or item.sha256[:12])
    return (
        f"{item.created:%Y-%m-%d %H:%M}  {clock(item.start)} – {clock(item.end)}  {label}{confidence} → "
        f"{printable(item.label)}  {name}{channel}{author}"
    )


def _rows(archive: "Archive", items: "Iterable[Correction]") -> Iterator[dict[str, Any]]:
    from emovox.archive.correction_head import sounds, voices  # noqa: PLC0415  an extra

    items = list(items)
    stored, speakers = sounds(archive, items), voices(archive, items)
    for item in items:
        sound = stored.get((item.sha256, item.channel))
        yield {
            **item.to_dict(),
            "path": "" if sound is None else str(sound.path),
            "recording": item.name or item.sha256[:12],
            "group": speakers.get(item.sha256) or item.sha256[:12],
        }


def _write(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    write = writer(file)
    write(_COLUMNS)
    for row in rows:
        write([row[column] for column in _COLUMNS])


def _write_clips(archive: "Archive", items: "list[Correction]", directory: Path) -> int:
    from emovox.archive.correction_head import NO_SOUND, cut_out, sounds, title  # noqa: PLC0415  an extra

    private.make_directory(directory)
    stored = sounds(archive, items)
    written, failures = [], []
    for row, item in zip(_rows(archive, items), items, strict=True):
        sound = stored.get((item.sha256, item.channel))
        try:
            if sound is None:
                raise AudioError(NO_SOUND)
            waveform = cut_out(sound.path, item.start, item.end)
        except AudioError as error:
            failures.append((title(item), error.reason))
            continue
        name = f"{item.id:06}.wav"
        draft = aside(directory / name)
        clip = WavWriter(draft)
        clip.write(waveform)
        clip.close()
        draft.replace(directory / name)
        written.append({**row, "path": name})
    with replacing(directory / LIST) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        _write(written, text)
        text.detach()  # flushes, and leaves the file to `replacing`
    for name, reason in failures:
        click.echo(f"Error: {printable(name)}: {reason}", err=True)
    click.echo(os.path.join(directory, LIST))  # noqa: PTH118  as it was named
    return 1 if failures else 0
