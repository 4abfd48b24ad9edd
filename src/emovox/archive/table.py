"""The archive as a table: CSV, JSON lines, Parquet."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from emovox.archive.names import CONFIDENCE, LABEL, Name, numbers
from emovox.archive.record import ArchiveRecord
from emovox.emotions import NAMES
from emovox.errors import ArchiveError
from emovox.exports.table import Rows, Source
from emovox.inference.recognition import Segment
from emovox.packages import install
from emovox.spreadsheets import writer

if TYPE_CHECKING:
    from emovox.archive.archive import Archive

# The record's fields, but a column for each score.
COLUMNS = (
    "id", "name", "sha256", "link", "created", "emotion", "confidence", *NAMES, "duration", "speech", "model",
    "revision", "precision", "granularity", "channel", "warnings", "tags", "outputs",
)  # fmt: skip
_NUMBERS = ("confidence", *NAMES, "duration", "speech")
_TOGETHER = 1000  # rows of a Parquet group


def write_csv(records: Iterable[ArchiveRecord], file: IO[Any], readouts: Iterable[Name] = ()) -> None:
    """A line for each record, with columns for the labels of readouts."""
    write, columns = writer(file), [*COLUMNS, *_columns(readouts)]
    write(columns)
    for row in map(_flat, records):
        row |= {"warnings": " ".join(row["warnings"]), "tags": ",".join(row["tags"])}
        write([row.get(name) for name in columns])


def write_jsonl(records: Iterable[ArchiveRecord], file: IO[Any], archive: "Archive | None" = None) -> None:
    """An object on a line for each record; with the archive, its embedding too."""
    for record in records:
        row = record.to_dict()
        if archive is not None:
            vector = archive.embedding(record.id)
            row["embedding"] = None if vector is None else vector.round(6).tolist()
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(
    records: Iterable[ArchiveRecord],
    file: IO[bytes],
    archive: "Archive | None" = None,
    readouts: Iterable[Name] = (),
) -> None:
    """A row for each record, in typed columns, also for the labels of readouts.

    Args:
        records: the rows.
        file: gets them.
        archive: adds their embeddings, as lists of float32.
        readouts: the readouts and labels among them.

    Raises:
        ArchiveError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ArchiveError(f"Parquet needs the package pyarrow: {install('pyarrow')}") from None
    types: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
    types |= {name: pa.float64() for name in _NUMBERS}
    types |= {"channel": pa.int32(), "created": pa.timestamp("us", tz="UTC")}
    types |= {"warnings": pa.list_(pa.string()), "tags": pa.list_(pa.string())}
    types |= {name: pa.type_for_alias(kind) for name, kind in _columns(readouts).items()}
    if archive is not None:
        types["embedding"] = pa.list_(pa.float32())
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        remaining = iter(records)
        while group := list(islice(remaining, _TOGETHER)):
            rows = [{**_flat(record), "created": record.created} for record in group]
            if archive is not None:
                for row in rows:
                    row["embedding"] = archive.embedding(row["id"])
            writer.write_table(pa.Table.from_pylist(rows, schema))


def segments(archive: "Archive", records: Iterable[ArchiveRecord]) -> Iterator[Rows]:
    """The segments of records, as the archive has them: with the nine emotions alone."""
    for record in records:
        outputs = None if record.outputs is None else str(record.outputs)
        yield Rows(record.link or record.name, outputs, [_segment(row) for row in archive.segments(record.id)])


def sources(records: Iterable[ArchiveRecord]) -> Iterator[Source]:
    """Where the frames of records are: in their outputs directories, not in the archive."""
    for record in records:
        yield Source(record.link or record.name, record.outputs)


def _segment(row: dict[str, Any]) -> Segment:
    scores = None if row["emotion"] is None else {name: row[name] for name in NAMES}
    facts = {name: row[name] for name in ("start", "end", "emotion", "confidence", "channel")}
    return Segment.model_construct(**facts, scores=scores)  # checked when it was archived


def _columns(readouts: Iterable[Name]) -> dict[str, str]:
    """The columns of readouts, with Parquet's types: the class that leads and its score, then each number."""
    columns: dict[str, str] = {}
    for name in readouts:
        if not name.value:
            columns |= {f"{name.readout}.{LABEL}": "string", f"{name.readout}.{CONFIDENCE}": "double"}
        columns[str(name)] = "double"
    return columns


def _flat(record: ArchiveRecord) -> dict[str, Any]:
    row = record.to_dict()
    row |= row.pop("scores") or dict.fromkeys(NAMES)
    for readout, item in record.readouts.items():
        row |= {f"{readout}.{LABEL}": item.label, f"{readout}.{CONFIDENCE}": item.confidence}
        row |= {f"{readout}.{label}": number for label, number in numbers(item).items()}
    return row
