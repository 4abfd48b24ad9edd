"""Tables as Parquet: typed columns, and their origin in the file's metadata."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from emovox.exports.columns import Cell, Layout, chunks
from emovox.inference.frames import Frames
from emovox.inference.raw import raw_frames
from emovox.inference.recognition import Recognition, Segment, trained

_TOGETHER = 2**14  # rows of a group, at least; the last may have fewer


def write_segments(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each segment, with the columns of segments.csv: seconds float64, scores float32, channel int32."""
    layout = Layout.of(recognition)
    with writer(file, segment_fields(layout), _metadata(recognition)) as write:
        write(
            segment_table(
                recognition.segments or [], layout, recognition.baseline.name if recognition.baseline else None
            )
        )


def write_lines(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each line of text, with the columns of lines.csv, typed as those of segments."""
    import pyarrow  # noqa: PLC0415  an extra

    layout = Layout.of(recognition)
    baseline = recognition.baseline.name if recognition.baseline else None
    fields = _typed(layout.line_columns())
    rows = [layout.line_cells(item, baseline) for item in recognition.lines or []]
    with writer(file, fields, _metadata(recognition)) as write:
        write(_table(rows, pyarrow.schema(fields)))


def write_frames(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each frame, with the columns of frames.csv: seconds float64, all others float32."""
    layout = Layout.of(recognition)
    with writer(file, frame_fields(layout), _metadata(recognition)) as write:
        for table in frame_tables(recognition.frames, layout, raw_frames(recognition)):
            write(table)


def segment_fields(layout: Layout) -> list[tuple[str, Any]]:
    """The columns of segments with their types."""
    return _typed(layout.segment_columns())


def _typed(columns: Mapping[str, type]) -> list[tuple[str, Any]]:
    import pyarrow  # noqa: PLC0415  an extra

    types = {float: pyarrow.float32(), str: pyarrow.string(), int: pyarrow.int32()}
    fields = {name: types[kind] for name, kind in columns.items()}
    return list({**fields, "start": pyarrow.float64(), "end": pyarrow.float64()}.items())


def segment_table(segments: Sequence[Segment], layout: Layout, baseline: str | None = None) -> Any:
    """Segments as an Arrow table; `baseline` is the name of theirs."""
    import pyarrow  # noqa: PLC0415  an extra

    rows = [layout.segment_cells(item, baseline) for item in segments]
    return _table(rows, pyarrow.schema(segment_fields(layout)))


def _table(rows: Sequence[Sequence[Cell]], schema: Any) -> Any:
    import pyarrow  # noqa: PLC0415  an extra

    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pyarrow.Table.from_arrays(arrays, schema=schema)


def frame_fields(layout: Layout) -> list[tuple[str, Any]]:
    """The columns of frames with their types."""
    import pyarrow  # noqa: PLC0415  an extra

    names = layout.frame_columns()
    return list(zip(names, [pyarrow.float64(), *[pyarrow.float32()] * (len(names) - 1)], strict=True))


def frame_tables(frames: Frames | None, layout: Layout, without: Frames | None = None) -> Iterator[Any]:
    """Frames as Arrow tables, in chunks; null where there is no number."""
    import pyarrow  # noqa: PLC0415  an extra

    schema = pyarrow.schema(frame_fields(layout))
    for chunk in chunks(frames, layout, without):
        columns = [pyarrow.array(column, from_pandas=True) for column in chunk.numbers.T]
        yield pyarrow.Table.from_arrays([pyarrow.array(chunk.times), *columns], schema=schema)


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


def _metadata(recognition: Recognition) -> dict[str, str]:
    """The facts of a table, for when its directory is lost; keys begin with `emovox.`."""
    recording, model, frames = recognition.recording, recognition.model, recognition.frames
    head, baseline = trained(recognition.readouts), recognition.baseline
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
        "recording.side": recording.side,
        **{f"recording.{name}": text for name, text in recording.notes.items()},
        "policy": None if recognition.policy is None else recognition.policy.model_dump_json(),
        "head.name": None if head is None else head[0],
        "baseline.name": baseline and baseline.name,
        "baseline.count": baseline and baseline.count,
        "baseline.checksum": baseline and baseline.checksum,
        "baseline.expectation": baseline and json.dumps(baseline.expectation),
        "baseline.shift": baseline and json.dumps(baseline.shift),
        "frames.smoothing": None if frames is None else frames.smoothing,
    }
    return {f"emovox.{key}": str(value) for key, value in facts.items() if value is not None}
