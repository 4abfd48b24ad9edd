"""The table of many recordings: the rows of all their segments, or of all their frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from emovox.errors import EmovoxError
from emovox.exports import comma_separated, parquet
from emovox.exports.columns import ORIGIN, Layout
from emovox.inference import stored_result as stored
from emovox.inference.frames import Frames
from emovox.inference.raw import raw_frames
from emovox.inference.recognition import Recognition, Segment
from emovox.inference.stored_result import Part
from emovox.notes import NOTES, Notes
from emovox.outputs import RESULT, read_result


@dataclass(frozen=True)
class Source:
    """Where the rows of a recording are.

    Attributes:
        path: where the recording was; None: its name in result.json.
        directory: its outputs directory; None: it has none, so no rows.
    """

    path: str | None
    directory: Path | None


@dataclass(frozen=True)
class Rows:
    """The rows of one recording: of its segments or its frames.

    Attributes:
        path: where the recording was, or its name.
        outputs: its outputs directory.
        baseline: name of the one that the scores are relative to.
        raw: the frames as they would be without it.
        side: whose voice it is.
        policy: the profile of the policy that decided what may be inferred of it.
        notes: its purpose and consent, as far as they were declared.
    """

    path: str | None
    outputs: str | None
    segments: Sequence[Segment] = ()
    frames: Frames | None = None
    baseline: str | None = None
    raw: Frames | None = None
    side: str | None = None
    policy: str | None = None
    notes: Notes = field(default_factory=Notes)


class Table:
    """The table of the segments, or frames, of recordings.

    Attributes:
        part: what its rows are.
        layout: the columns of the recordings' readouts.
        recordings: how many have been written.
        empty: how many of them had no rows.
    """

    def __init__(self, part: Part, layout: Layout | None = None) -> None:
        self.part, self.layout = part, layout or Layout()
        self.recordings = self.empty = 0

    def write_csv(self, recordings: Iterable[Rows], file: IO[str]) -> None:
        """Write rows as CSV, one recording after the other."""
        layout = self.layout
        own = layout.segment_columns() if self.part == "segments" else layout.frame_columns()
        file.write(comma_separated.line([*self._origin(Rows(None, None)), *own]))
        for rows in self.counted(recordings):
            origin = comma_separated.line(list(self._origin(rows).values())).rstrip("\n")
            for lines in self._lines(rows):
                file.write("".join(f"{origin},{line}" for line in lines))

    def write_parquet(self, recordings: Iterable[Rows], file: IO[bytes]) -> None:
        """Write rows as Parquet, one group of rows after the other."""
        import pyarrow as pa  # noqa: PLC0415  an extra

        segments = self.part == "segments"
        fields = parquet.segment_fields(self.layout) if segments else parquet.frame_fields(self.layout)
        names = self._origin(Rows(None, None))
        with parquet.writer(file, [*((name, pa.string()) for name in names), *fields]) as write:
            for rows in self.counted(recordings):
                for table in self._tables(rows):
                    joined = table
                    for column, (name, cell) in enumerate(self._origin(rows).items()):
                        cells = pa.repeat(pa.scalar(cell, pa.string()), table.num_rows)
                        joined = joined.add_column(column, name, cells)
                    write(joined)

    def _origin(self, rows: Rows) -> dict[str, str | None]:
        """The first cells of each row, by their columns."""
        cells = dict(zip(ORIGIN, (rows.path, rows.outputs), strict=True))
        if self.part == "frames" and self.layout.relative:  # the rows of frames have no words of their own
            cells["baseline"] = rows.baseline
        if self.layout.sides:
            cells |= {"side": rows.side, "policy": rows.policy}
        cells |= {name: cast("str | None", rows.notes.get(name)) for name in self.layout.notes}
        return cells

    def _lines(self, rows: Rows) -> Iterator[list[str]]:
        if self.part == "segments":
            return iter([list(comma_separated.segment_lines(rows.segments, self.layout, rows.baseline))])
        return comma_separated.frame_lines(rows.frames, self.layout, rows.raw)

    def _tables(self, rows: Rows) -> Iterator[Any]:
        if self.part == "segments":
            return iter([parquet.segment_table(rows.segments, self.layout, rows.baseline)])
        return parquet.frame_tables(rows.frames, self.layout, rows.raw)

    def counted(self, recordings: Iterable[Rows]) -> Iterator[Rows]:
        """The same rows, counted as they pass."""
        for rows in recordings:
            self.recordings += 1
            self.empty += not (rows.segments or (rows.frames is not None and len(rows.frames)))
            yield rows


def survey(
    sources: Iterable[Source], part: Part, failed: Callable[[Path, str], None]
) -> tuple[list[Source], Layout]:
    """The sources that can be read, and the columns of all their readouts; doesn't read the rows.

    Args:
        sources: of the rows.
        part: what the rows are.
        failed: is told of each that can't be read, and why.
    """
    readable: list[Source] = []
    layout = Layout()
    for source in sources:
        if source.directory is not None:
            try:
                head = _head(source.directory, part)
                layout.add(head.readouts)
                layout.add_baseline(head.baseline)
                layout.sides = layout.sides or head.policy is not None
                known = {*layout.notes, *head.recording.notes}
                layout.notes = tuple(name for name in NOTES if name in known)
            except EmovoxError as error:
                failed(source.directory, str(error))
                continue
        readable.append(source)
    return readable, layout


def read(sources: Iterable[Source], part: Part, failed: Callable[[Path, str], None]) -> Iterator[Rows]:
    """The rows of outputs directories, by recording; one that can't be read doesn't stop the others."""
    for source in sources:
        if source.directory is None:
            yield Rows(source.path, None)
            continue
        try:
            recognition = read_result(source.directory, part)
        except EmovoxError as error:
            failed(source.directory, str(error))
            continue
        path = source.path or recognition.recording.name
        yield Rows(
            path,
            str(source.directory),
            recognition.segments or (),
            recognition.frames,
            baseline=recognition.baseline.name if recognition.baseline else None,
            raw=raw_frames(recognition),
            side=recognition.recording.side,
            policy=None if recognition.policy is None else recognition.policy.profile,
            notes=recognition.recording.notes,
        )


def _head(directory: Path, part: Part) -> Recognition:
    """A directory's result without its rows, whose readouts and baseline are the same."""
    try:
        head = stored.read_head(directory / RESULT)
        return Recognition.model_validate({**head, "segments": None, "frames": None})
    except (OSError, ValueError):  # reading all of it says what is wrong
        return read_result(directory, part)
