"""The table of many recordings: the rows of all their segments, or of all their frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from emovox.errors import EmovoxError
from emovox.exports import comma_separated, parquet
from emovox.exports.columns import ORIGIN, frame_columns, segment_columns
from emovox.inference import stored_result as stored
from emovox.inference.recognition import Frames, Segment
from emovox.inference.stored_result import Part
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
    """

    path: str | None
    outputs: str | None
    segments: Sequence[Segment] = ()
    frames: Frames | None = None

    @property
    def origin(self) -> tuple[str | None, str | None]:
        """The cells of `ORIGIN`."""
        return self.path, self.outputs


class Table:
    """The table of the segments, or frames, of recordings.

    Attributes:
        part: what its rows are.
        labels: classes of the recordings' heads, which have columns in a table of frames; in one of segments it
            only matters whether there are any.
        recordings: how many have been written.
        empty: how many of them had no rows.
    """

    def __init__(self, part: Part, labels: Sequence[str] = ()) -> None:
        self.part, self.labels = part, labels
        self.recordings = self.empty = 0

    def write_csv(self, recordings: Iterable[Rows], file: IO[str]) -> None:
        """Write rows as CSV, one recording after the other."""
        own = segment_columns(head=bool(self.labels)) if self.part == "segments" else frame_columns(self.labels)
        file.write(comma_separated.line([*ORIGIN, *own]))
        for rows in self._counted(recordings):
            origin = comma_separated.line(rows.origin).rstrip("\n")
            for lines in self._lines(rows):
                file.write("".join(f"{origin},{line}" for line in lines))

    def write_parquet(self, recordings: Iterable[Rows], file: IO[bytes]) -> None:
        """Write rows as Parquet, one group of rows after the other."""
        import pyarrow as pa  # noqa: PLC0415  an extra

        segments = self.part == "segments"
        fields = parquet.segment_fields(head=bool(self.labels)) if segments else parquet.frame_fields(self.labels)
        with parquet.writer(file, [*((name, pa.string()) for name in ORIGIN), *fields]) as write:
            for rows in self._counted(recordings):
                for table in self._tables(rows):
                    joined = table
                    for column, (name, cell) in enumerate(zip(ORIGIN, rows.origin, strict=True)):
                        cells = pa.repeat(pa.scalar(cell, pa.string()), table.num_rows)
                        joined = joined.add_column(column, name, cells)
                    write(joined)

    def _lines(self, rows: Rows) -> Iterator[list[str]]:
        if self.part == "segments":
            return iter([list(comma_separated.segment_lines(rows.segments, head=bool(self.labels)))])
        return comma_separated.frame_lines(rows.frames, self.labels)

    def _tables(self, rows: Rows) -> Iterator[Any]:
        if self.part == "segments":
            return iter([parquet.segment_table(rows.segments, head=bool(self.labels))])
        return parquet.frame_tables(rows.frames, self.labels)

    def _counted(self, recordings: Iterable[Rows]) -> Iterator[Rows]:
        for rows in recordings:
            self.recordings += 1
            self.empty += not (rows.segments or (rows.frames is not None and len(rows.frames.scores)))
            yield rows


def survey(
    sources: Iterable[Source], part: Part, failed: Callable[[Path, str], None]
) -> tuple[list[Source], list[str]]:
    """The sources that can be read, and all classes of their heads; doesn't read the rows.

    Args:
        sources: of the rows.
        part: what the rows are.
        failed: is told of each that can't be read, and why.
    """
    readable: list[Source] = []
    labels: dict[str, None] = {}
    for source in sources:
        if source.directory is not None:
            try:
                labels.update(dict.fromkeys(_labels(source.directory, part)))
            except EmovoxError as error:
                failed(source.directory, str(error))
                continue
        readable.append(source)
    return readable, list(labels)


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
        yield Rows(path, str(source.directory), recognition.segments or (), recognition.frames)


def _labels(directory: Path, part: Part) -> Iterable[str]:
    """The classes of the head in a directory's result."""
    try:
        if part == "frames":
            frames = stored.read_frames(directory / RESULT)
            return [label for item in frames.readouts.values() for label in item.labels] if frames else ()
        head = stored.read_head(directory / RESULT).get("head")
        return head["scores"] if head else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # reading all of it says what is wrong
        recognition = read_result(directory)
        if part == "frames":
            return (recognition.frames and recognition.frames.head_labels) or ()
        return recognition.head.scores if recognition.head else ()
