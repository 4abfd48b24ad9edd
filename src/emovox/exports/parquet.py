"""Tables as Parquet: typed columns, and where they come from in the file's metadata."""

from typing import Any, BinaryIO

from emovox.emotions import NAMES
from emovox.exports.columns import chunks, frame_columns, segment_columns
from emovox.recognition.recognition import Recognition, Segment


def write_segments(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each segment, with the columns of segments.csv: seconds float64, scores float32, channel int32."""
    import pyarrow  # noqa: PLC0415  an extra

    items = recognition.segments or []
    score, time = pyarrow.float32(), pyarrow.float64()
    types = [time, time, pyarrow.string(), score, *[score] * len(NAMES), pyarrow.int32()]
    types += [] if recognition.head is None else [pyarrow.string(), score]
    rows = [
        [item.start, item.end, item.emotion, item.confidence, *map(item.scores.get, NAMES), item.channel]
        + ([] if recognition.head is None else _head_cells(item))
        for item in items
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in types)
    arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    schema = pyarrow.schema(list(zip(segment_columns(recognition), types, strict=True)), _metadata(recognition))
    with _writer(file, schema) as writer:
        writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def write_frames(recognition: Recognition, file: BinaryIO) -> None:
    """A row for each frame, with the columns of frames.csv: seconds float64, scores and logits float32."""
    import pyarrow  # noqa: PLC0415  an extra

    names = frame_columns(recognition)
    types = [pyarrow.float64(), *[pyarrow.float32()] * (len(names) - 1)]
    schema = pyarrow.schema(list(zip(names, types, strict=True)), _metadata(recognition))
    with _writer(file, schema) as writer:
        for chunk in chunks(recognition.frames):
            columns = [chunk.times, *chunk.scores.T, *chunk.logits.T, *chunk.head.T]
            writer.write_table(
                pyarrow.Table.from_arrays([pyarrow.array(column) for column in columns], schema=schema)
            )


def _head_cells(item: Segment) -> list[object]:
    return [None, None] if item.head is None else [item.head.label, item.head.confidence]


def _writer(file: BinaryIO, schema: Any) -> Any:
    import pyarrow.parquet  # noqa: PLC0415  an extra

    return pyarrow.parquet.ParquetWriter(file, schema)


def _metadata(recognition: Recognition) -> dict[str, str]:
    """What to know of a table that has lost its directory; keys begin with `emovox.`."""
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
