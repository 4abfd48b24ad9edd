"""Tables as Parquet: typed columns, and their origin in the file's metadata."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from emovox.emotions import NAMES
from emovox.exports.columns import chunks, frame_columns, segment_columns
from emovox.inference.frames import Frames
from emovox.inference.recognition import Recognition, Segment

_TOGETHER = 2**14  # rows of a group, at least; the last may have fewer


def write_segments(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each segment, with the columns of segments.csv: seconds float64, scores float32, channel int32."""
    head = recognition.head is not None
    with writer(file, segment_fields(head=head), _metadata(recognition)) as write:
        write(segment_table(recognition.segments or [], head=head))


def write_frames(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each frame, with the columns of frames.csv: seconds float64, scores and logits float32."""
    labels = (recognition.frames and recognition.frames.head_labels) or []
    with writer(file, frame_fields(labels), _metadata(recognition)) as write:
        for table in frame_tables(recognition.frames, labels):
            write(table)


def segment_fields(*, head: bool) -> list[tuple[str, Any]]:
    """The columns of segments with their types."""
    import pyarrow  # noqa: PLC0415  an extra

    score, time = pyarrow.float32(), pyarrow.float64()
    types = [time, time, pyarrow.string(), score, *[score] * len(NAMES), pyarrow.int32()]
    types += [pyarrow.string(), score] if head else []
    return list(zip(segment_columns(head=head), types, strict=True))


def segment_table(segments: Sequence[Segment], *, head: bool) -> Any:
    """Segments as an Arrow table."""
    import pyarrow  # noqa: PLC0415  an extra

    rows = [
        [item.start, item.end, item.emotion, item.confidence, *map(item.scores.get, NAMES), item.channel]
        + (_head_cells(item) if head else [])
        for item in segments
    ]
    fields = segment_fields(head=head)
    columns = zip(*rows, strict=True) if rows else ([] for _ in fields)
    arrays = [pyarrow.array(column, kind) for column, (_, kind) in zip(columns, fields, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields))


def frame_fields(labels: Sequence[str]) -> list[tuple[str, Any]]:
    """The columns of frames with their types."""
    import pyarrow  # noqa: PLC0415  an extra

    names = frame_columns(labels)
    return list(zip(names, [pyarrow.float64(), *[pyarrow.float32()] * (len(names) - 1)], strict=True))


def frame_tables(frames: Frames | None, labels: Sequence[str]) -> Iterator[Any]:
    """Frames as Arrow tables, in chunks; null for a class that the head lacks."""
    import pyarrow  # noqa: PLC0415  an extra

    schema = pyarrow.schema(frame_fields(labels))
    for chunk in chunks(frames, labels):
        columns = [pyarrow.array(column) for column in [chunk.times, *chunk.scores.T, *chunk.logits.T]]
        columns += [pyarrow.array(column, from_pandas=True) for column in chunk.head.T]
        yield pyarrow.Table.from_arrays(columns, schema=schema)


@contextmanager
def writer(
    file: IO[bytes], fields: Sequence[tuple[str, Any]], metadata: dict[str, str] | None = None
) -> Iterator[Callable[[Any], None]]:
    """A function that writes tables into a file; small ones together, since a group of rows costs a kilobyte."""
    import pyarrow.parquet  # noqa: PLC0415  an extra

    schema = pyarrow.schema(fields, metadata)
    group: list[Any] = []
    count = 0

    def write(table: Any) -> None:
        nonlocal count
        group.append(table)
        count += table.num_rows
        if count >= _TOGETHER:
            flush()

    def flush() -> None:
        nonlocal count
        if group:
            parquet.write_table(pyarrow.concat_tables(group))
        group.clear()
        count = 0

    with pyarrow.parquet.ParquetWriter(file, schema) as parquet:
        yield write
        flush()


def _head_cells(item: Segment) -> list[object]:
    return [None, None] if item.head is None else [item.head.label, item.head.confidence]


def _metadata(recognition: Recognition) -> dict[str, str]:
    """The facts of a table, for when its directory is lost; keys begin with `emovox.`."""
    recording, model, frames = recognition.recording, recognition.model, recognition.frames
    facts = {
        "version": recognition.emovox,
        "created_at": recognition.created_at.isoformat(),
        "recording.name": recording.name,
        "recording.sha256": recording.sha256,
        "recording.duration": recording.duration,
        "recording.channel": recording.channel,
        "model.name": model.name,
        "model.revision": model.revision,
        "model.precision": model.precision,
        "model.checksum": model.checksum,
        "head.name": None if recognition.head is None else recognition.head.name,
        "frames.smoothing": None if frames is None else frames.smoothing,
    }
    return {f"emovox.{key}": str(value) for key, value in facts.items() if value is not None}
