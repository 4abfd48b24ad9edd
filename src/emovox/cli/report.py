"""What `recognize` prints: a table, JSON, JSON lines or CSV, row by row."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.cells import cell_len, set_cell_size

from emovox.audio.quality import SILENT_TRACK
from emovox.baselines.baseline import CORPUS, RECOGNIZED, SELF, SPEAKER, Baseline
from emovox.emotions import BY_NAME, NAMES
from emovox.exports.columns import Cell, Layout
from emovox.exports.verdict import range_text, short_values, two_decimals
from emovox.inference.frames import RowsIn
from emovox.inference.recognition import WARNINGS, Line, ReadoutResult, Recognition, Segment
from emovox.inference.recording_facts import RecordingFacts
from emovox.inference.summary import LONG
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.spreadsheets import writer

BAR = 20  # cells
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_TITLES = {
    "en": {"file": "file", "emotion": "emotion", "class": "class", "confidence": "confidence", "value": "value"},
    "zh": {"file": "文件", "emotion": "情感", "class": "类别", "confidence": "置信度", "value": "数值"},
}


@dataclass(frozen=True)
class Row:
    """A recognised recording: the path as given, the result, and where it was saved."""

    path: str
    recognition: Recognition
    directory: Path | None


def label(emotion: str, language: str) -> str:
    """The name of an emotion in a language, `en` or `zh`."""
    return BY_NAME[emotion].label(language)


def counted(number: int, noun: str) -> str:
    """A number of things: `1 recording`, `1,000 recordings`, `2 stretches`."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('ch') else 's'}"


def relation(baseline: Baseline | str, expect: Mapping[str, float] | None) -> str:
    """What emotions are relative to, as the end of a sentence: `relative to line3 (neutral=0.8)`."""
    words = {
        CORPUS: "the corpus",
        SPEAKER: "each speaker",
        SELF: "itself",
        RECOGNIZED: "what each was recognised with",
    }
    name = baseline.name if isinstance(baseline, Baseline) else words.get(baseline, baseline)
    shares = ", ".join(f"{emotion}={share:g}" for emotion, share in (expect or {}).items())
    return f"relative to {printable(name)}{shares and f' ({shares})'}"


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


def fitted(text: str, width: int) -> str:
    """A label as one printable line of that many cells, cut at its end."""
    text = printable(text)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)


def values(item: ReadoutResult, width: int) -> Iterator[str]:
    """A line for each value: its name, the value, its range, and where in it that is."""
    for name, value in (item.values or {}).items():
        line = f"{fitted(name, width)}  {two_decimals(value):>5}{range_text(item.range)}"
        if item.range is not None:
            low, high = item.range
            line += f"  {bar(min(max((value - low) / (high - low), 0), 1))}"
        yield line.rstrip()


class Report:
    """Prints rows; each format overrides what it does differently."""

    def __init__(
        self,
        *,
        paths: list[str],
        language: str,
        top: int,
        metadata: Metadata,
        head: Head | None = None,
        relative: bool = False,
        segments: bool = False,
        listed: bool = False,
        lines: bool = False,
        rows_in: RowsIn | None = None,
        sides: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.paths = paths
        self.language = language
        self.top = top
        self.nine = metadata.emotions is not None
        self.layout = Layout.of_model(metadata, head, relative=relative)
        self.segments = segments
        self.listed = listed
        self.lines = lines
        self.rows_in = rows_in
        self.sides, self.notes = sides, notes

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
    """Columns for people: file, emotion with emoji, confidence, bar; below it what readouts give."""

    def begin(self) -> None:  # noqa: D102
        self._width = min(max([20, *(cell_len(printable(path)) for path in self.paths)]), 48)
        labels = [label for labels in self.layout.labels.values() for label in labels]
        self._label = min(max([13, *(cell_len(printable(label)) for label in labels)]), 24)
        self._titled = False

    def _titles(self) -> None:
        """The columns' titles, above the first row: where everything fails there is none."""
        if self._titled:
            return
        self._titled = True
        titles = _TITLES[self.language]
        cells = [set_cell_size(titles["file"], self._width)]
        if self.nine or self.layout.classes:
            title = titles["emotion" if self.nine else "class"]
            cells += [set_cell_size(title, self._label), titles["confidence"]]
        elif self.layout.labels:
            cells.append(titles["value"])
        click.echo("  ".join(cells).rstrip())

    def add(self, row: Row) -> None:  # noqa: D102
        self._titles()
        recognition = row.recognition
        channel = recognition.recording.channel
        name = printable(row.path) + ("" if channel is None else f" [{channel}]")
        blocks = [(name, [*self._emotions(recognition)])] if recognition.emotion is not None else []
        blocks += [(f"  {printable(key)}", [*self._readout(item)]) for key, item in recognition.readouts.items()]
        if recognition.emotion is None:
            if len(blocks) == 1:  # nothing else could be meant
                blocks = [(name, blocks[0][1])]
            else:
                talk = f"– {clock(recognition.recording.speech or 0)}" if not recognition.is_inferred else "–"
                blocks.insert(0, (name, ["" if blocks else talk]))
        for title, lines in blocks:
            for number, line in enumerate(lines):
                start = title if number == 0 else ""
                cells = set_cell_size(_fit(start, self._width), self._width)
                click.echo(f"{cells}  {line}".rstrip())
        summary = recognition.summary
        if summary is not None and (summary.kind == "arc" or recognition.recording.duration > LONG):
            sentence = printable(summary.sentence.in_language(self.language))
            click.echo(f"{' ' * self._width}  {sentence}")
        for item in (recognition.segments or []) if self.listed or not recognition.is_inferred else []:
            times = f"{clock(item.start)} – {clock(item.end)}"
            click.echo(f"{set_cell_size(times, self._width)}  {self._segment(item)}".rstrip())
        for cue in recognition.lines or []:
            times = f"{clock(cue.start)} – {clock(cue.end)}"
            text = f"{set_cell_size(self._segment(cue), self._label + 9)}  {printable(cue.text)}"
            click.echo(f"{set_cell_size(times, self._width)}  {text}".rstrip())
        for code in recognition.warnings:
            more = _tracks(recognition.recording) if code == SILENT_TRACK else ""
            click.echo(f"{' ' * self._width}  ! {code}: {WARNINGS[code]}{more}")

    def _emotions(self, recognition: Recognition) -> Iterator[str]:
        for emotion, score in recognition.top(self.top):
            shown = f"{BY_NAME[emotion].emoji} {label(emotion, self.language)}"
            yield f"{set_cell_size(shown, self._label)}  {100 * score:5.1f} %  {bar(score)}".rstrip()

    def _readout(self, item: ReadoutResult) -> Iterator[str]:
        for name, score in sorted((item.scores or {}).items(), key=lambda pair: -pair[1])[: self.top]:
            yield f"{fitted(name, self._label)}  {100 * score:5.1f} %  {bar(score)}".rstrip()
        yield from values(item, self._label)

    def _segment(self, item: Segment | Line) -> str:
        """The emotion with its confidence, or the first class, in columns; then all else in a few words."""
        others, shown = dict(item.readouts), ""
        if item.emotion is not None and item.confidence is not None:
            name = f"{BY_NAME[item.emotion].emoji} {label(item.emotion, self.language)}"
            shown = f"{set_cell_size(name, self._label)}  {100 * item.confidence:5.1f} %"
        elif (
            lead := next((key for key, readout in others.items() if readout.label is not None), None)
        ) is not None:
            first = others.pop(lead)
            shown = f"{fitted(first.label or '', self._label)}  {100 * (first.confidence or 0):5.1f} %"
        words = [
            f"{printable(each.label)} {100 * (each.confidence or 0):.1f} %"
            for each in others.values()
            if each.label
        ]
        return "  ".join(filter(None, [shown, *words, printable(short_values(others))]))


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
    """One line per recording, with a column for each score, and those of readouts.

    If segments were asked for, one line per segment: a recording without speech has none. Where words are given,
    one per line of text. With a baseline its name and the scores without it come last.
    """

    def begin(self) -> None:  # noqa: D102
        self._write = writer(sys.stdout)
        columns = [*self.layout.readout_columns()]
        columns += [*(["side", "policy"] if self.sides else []), *self.notes]
        columns += self.layout.last_columns()
        if self.segments or self.lines:
            times = ["path", "channel", "start", "end", *(["text"] if self.lines else [])]
            self._write([*times, "emotion", "label", "confidence", *NAMES, "outputs", *columns])
            return
        facts = ["duration", "warnings", "model", "outputs", "channel"]
        self._write(["path", "emotion", "label", "confidence", *NAMES, *facts, *columns])

    def add(self, row: Row) -> None:  # noqa: D102
        recognition = row.recognition
        if self.segments or self.lines:
            items: Sequence[Segment | Line] = (recognition.lines if self.lines else recognition.segments) or []
            for item in items:
                times = [f"{item.start:.3f}", f"{item.end:.3f}", *([item.text] if isinstance(item, Line) else [])]
                cells = [
                    row.path,
                    recognition.recording.channel or "",
                    *times,
                    *self._verdict(item),
                    row.directory or "",
                ]
                self._write([*cells, *self._own(item, recognition)])
            sys.stdout.flush()
            return
        facts = [
            f"{recognition.recording.duration:.3f}",
            " ".join(recognition.warnings),
            recognition.model.name,
            row.directory or "",
            recognition.recording.channel or "",
        ]
        self._write([row.path, *self._verdict(recognition), *facts, *self._own(recognition, recognition)])
        sys.stdout.flush()

    def _verdict(self, item: Recognition | Segment | Line) -> list[object]:
        """The emotion, its name in the language shown, its confidence, and the nine scores."""
        scores = item.scores or {}
        name = None if item.emotion is None else label(item.emotion, self.language)
        return [item.emotion, name, *map(_decimal, [item.confidence, *map(scores.get, NAMES)])]

    def _own(self, item: Recognition | Segment | Line, whole: Recognition) -> list[object]:
        cells = self.layout.readout_cells(item.readouts)
        if self.sides:
            cells += [whole.recording.side, None if whole.policy is None else whole.policy.profile]
        cells += [getattr(whole.recording, name) for name in self.notes]
        cells += self.layout.last_cells(item, None if whole.baseline is None else whole.baseline.name)
        return [*map(_decimal, cells)]


def _decimal(cell: Cell) -> Cell:
    return f"{cell:.6f}" if isinstance(cell, float) else cell


REPORTS: dict[str, Callable[..., Report]] = {"table": Table, "json": Json, "jsonl": JsonLines, "csv": Csv}


def _tracks(recording: RecordingFacts) -> str:
    """The audio track that was used, and the others."""
    names = [f"{number} {printable(name)}".strip() for number, name in enumerate(recording.tracks or [], 1)]
    track = recording.track or 1
    return f": {names[track - 1]}; also available: {', '.join(names[: track - 1] + names[track:])}"


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
