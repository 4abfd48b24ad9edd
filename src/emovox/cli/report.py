"""What `recognize` prints: a table, JSON, JSON lines or CSV, row by row."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.cells import cell_len, set_cell_size

from emovox.audio.quality import SILENT_TRACK
from emovox.emotions import BY_NAME, NAMES
from emovox.inference.frames import RowsIn
from emovox.inference.recognition import WARNINGS, Recognition, RecordingFacts, Segment
from emovox.spreadsheets import writer

BAR = 20  # cells
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Row:
    """A recognised recording: the path as given, the result, and where it was saved."""

    path: str
    recognition: Recognition
    directory: Path | None


def label(emotion: str, language: str) -> str:
    """The name of an emotion in a language, `en` or `zh`."""
    return BY_NAME[emotion].label(language)


def clock(seconds: float) -> str:
    """A time in words: 1:02:03.4, or 2:03.4 within the first hour."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{before}:{rest // 10:02d}.{rest % 10}"


def bar(share: float) -> str:
    """A bar of `BAR` cells for a share from 0 to 1, to an eighth of a cell."""
    eighths = round(share * BAR * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).ljust(BAR)


class Report:
    """Prints rows; each format overrides what it does differently."""

    def __init__(
        self,
        *,
        paths: list[str],
        language: str,
        top: int,
        head: bool = False,
        segments: bool = False,
        rows_in: RowsIn | None = None,
    ) -> None:
        self.paths = paths
        self.language = language
        self.top = top
        self.head = head
        self.segments = segments
        self.rows_in = rows_in

    def begin(self) -> None:
        """Print what comes before the first row."""

    def add(self, row: Row) -> None:
        """Print one row.

        Raises:
            ExportError: it can't be printed, and nothing of it was.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Print what comes after the last row."""


class Table(Report):
    """Columns for people: file, emotion with emoji, confidence, bar."""

    def begin(self) -> None:  # noqa: D102
        self._width = min(max([20, *(cell_len(printable(path)) for path in self.paths)]), 48)
        if self.paths:
            head = ("文件", "情感", "置信度") if self.language == "zh" else ("file", "emotion", "confidence")
            click.echo(f"{set_cell_size(head[0], self._width)}  {set_cell_size(head[1], 13)}  {head[2]}")

    def add(self, row: Row) -> None:  # noqa: D102
        channel = row.recognition.recording.channel
        name = printable(row.path) + ("" if channel is None else f" [{channel}]")
        for emotion, score in row.recognition.top(self.top):
            shown = f"{BY_NAME[emotion].emoji} {label(emotion, self.language)}"
            cells = set_cell_size(_fit(name, self._width), self._width), set_cell_size(shown, 13)
            click.echo(f"{cells[0]}  {cells[1]}  {100 * score:5.1f} %  {bar(score)}".rstrip())
            name = ""
        if row.recognition.head is not None:
            heard = row.recognition.head
            name = set_cell_size(_fit(printable(heard.name), self._width - 2), self._width - 2)
            shown = set_cell_size(printable(heard.label), 13)
            click.echo(f"  {name}  {shown}  {100 * heard.confidence:5.1f} %  {bar(heard.confidence)}".rstrip())
        for item in row.recognition.segments or []:
            shown = f"{BY_NAME[item.emotion].emoji} {label(item.emotion, self.language)}"
            times = f"{clock(item.start)} – {clock(item.end)}"
            own = "" if item.head is None else f"  {printable(item.head.label)} {100 * item.head.confidence:.1f} %"
            click.echo(
                f"{set_cell_size(times, self._width)}  {set_cell_size(shown, 13)}  "
                f"{100 * item.confidence:5.1f} %{own}"
            )
        for code in row.recognition.warnings:
            more = _tracks(row.recognition.recording) if code == SILENT_TRACK else ""
            click.echo(f"{' ' * self._width}  ! {code}: {WARNINGS[code]}{more}")


class Json(Report):
    """One array; each item is a result.json, with the path and the outputs directory in front."""

    def begin(self) -> None:  # noqa: D102
        self._before = "[\n"

    def add(self, row: Row) -> None:  # noqa: D102
        for piece in _item(row, self.rows_in, indent=2):
            click.echo(self._before + piece, nl=False)
            self._before = ""
        self._before = ",\n"

    def end(self) -> None:  # noqa: D102
        click.echo("[]" if self._before == "[\n" else "\n]")


class JsonLines(Report):
    """The items of `Json`, one per line."""

    def add(self, row: Row) -> None:  # noqa: D102
        for piece in _item(row, self.rows_in, indent=None):
            click.echo(piece, nl=False)
        click.echo()


class Csv(Report):
    """One line per recording, with a column for each score; with a head, its name, label and confidence.

    If segments were asked for, one line per segment: a recording without speech has none.
    """

    def begin(self) -> None:  # noqa: D102
        self._write = writer(sys.stdout)
        if self.segments:
            own = ["head", "head_label", "head_confidence"] if self.head else []
            self._write(
                ["path", "channel", "start", "end", "emotion", "label", "confidence", *NAMES, "outputs", *own]
            )
            return
        self._write(
            [
                "path",
                "emotion",
                "label",
                "confidence",
                *NAMES,
                "duration",
                "warnings",
                "model",
                "outputs",
                "channel",
                *(["head", "head_label", "head_confidence"] if self.head else []),
            ]
        )

    def add(self, row: Row) -> None:  # noqa: D102
        found = row.recognition
        if self.segments:
            for segment in found.segments or []:
                self._write(self._segment_cells(row, segment))
            sys.stdout.flush()
            return
        self._write(
            [
                row.path,
                found.emotion,
                label(found.emotion, self.language),
                f"{found.confidence:.6f}",
                *(f"{found.scores[name]:.6f}" for name in NAMES),
                f"{found.recording.duration:.3f}",
                " ".join(found.warnings),
                found.model.name,
                row.directory or "",
                found.recording.channel or "",
                *(_head_cells(found) if self.head else []),
            ]
        )
        sys.stdout.flush()

    def _segment_cells(self, row: Row, segment: Segment) -> list[object]:
        head = row.recognition.head
        verdict = segment.head
        own = ["" if head is None else head.name]
        own += ["", ""] if verdict is None else [verdict.label, f"{verdict.confidence:.6f}"]
        return [
            row.path,
            segment.channel or "",
            f"{segment.start:.3f}",
            f"{segment.end:.3f}",
            segment.emotion,
            label(segment.emotion, self.language),
            f"{segment.confidence:.6f}",
            *(f"{segment.scores[name]:.6f}" for name in NAMES),
            row.directory or "",
            *(own if self.head else []),
        ]


REPORTS: dict[str, Callable[..., Report]] = {"table": Table, "json": Json, "jsonl": JsonLines, "csv": Csv}


def _tracks(recording: RecordingFacts) -> str:
    """The audio track that was used, and the others."""
    names = [f"{number} {printable(name)}".strip() for number, name in enumerate(recording.tracks or [], 1)]
    heard = recording.track or 1
    return f": {names[heard - 1]}; also available: {', '.join(names[: heard - 1] + names[heard:])}"


def _head_cells(found: Recognition) -> list[str]:
    if found.head is None:
        return ["", "", ""]
    return [found.head.name, found.head.label, f"{found.head.confidence:.6f}"]


def _item(row: Row, rows_in: RowsIn | None, *, indent: int | None) -> Iterator[str]:
    """The JSON of a row, in pieces; the rows of frames are on one line."""
    rows, frames = None, row.recognition.frames
    if frames is not None:
        if frames.goes_inline(rows_in, stored=row.directory is not None):
            rows, frames = frames, None
        else:
            frames = frames.described()
    facts = row.recognition.model_copy(update={"frames": frames}).to_dict()
    outputs = None if row.directory is None else str(row.directory)
    text = json.dumps({"path": row.path, "outputs": outputs, **facts}, ensure_ascii=False, indent=indent)
    if rows is None:
        yield text
        return
    yield text.removesuffix("}").rstrip("\n")
    yield ', "frames": ' if indent is None else f',\n{" " * indent}"frames": '
    yield from rows.json_pieces()
    yield "}" if indent is None else "\n}"


def printable(path: str) -> str:
    """A path as one printable line: control characters in a file name must not control the terminal."""
    return "".join(character if character.isprintable() else "�" for character in path)


def _fit(name: str, width: int) -> str:
    if cell_len(name) <= width:
        return name
    while cell_len(name) > width - 1:
        name = name[1:]
    return "…" + name
