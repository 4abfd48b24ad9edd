"""The archive as a table: CSV, JSON lines, Parquet."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from emovox.archive.record import ArchiveRecord
from emovox.emotions import NAMES
from emovox.errors import ArchiveError
from emovox.exports.table import Rows, Source
from emovox.inference.recognition import Segment
from emovox.packages import install
from emovox.spreadsheets import writer

if TYPE_CHECKING:
    from emovox.archive.archive import Archive
    from emovox.archive.stored_record import Found

FORMATS = ("csv", "jsonl", "parquet")
_PLAIN = ("id", "name", "sha256", "link", "created", "emotion", "confidence")
_FACTS = (
    "duration",
    "speech",
    "model",
    "revision",
    "precision",
    "granularity",
    "channel",
    "warnings",
    "tags",
    "outputs",
)
_NUMBERS = ("confidence", *NAMES, "duration", "speech")
_TOGETHER = 1000  # rows of a Parquet group


def write_csv(found: "Iterable[Found | ArchiveRecord]", file: IO[Any]) -> None:
    """A line a recognition, the nine scores in columns of their own."""
    write = writer(file)
    write([*_PLAIN, *NAMES, *_FACTS])
    for row in map(_flat, found):
        lists = {
            name: " ".join(row["warnings"]) if name == "warnings" else ",".join(row["tags"])
            for name in ("warnings", "tags")
        }
        write([{**row, **lists}[name] for name in (*_PLAIN, *NAMES, *_FACTS)])


def write_jsonl(found: "Iterable[Found | ArchiveRecord]", file: IO[Any], archive: "Archive | None" = None) -> None:
    """An object a line; with the archive, its embeddings too."""
    for item in found:
        row = item.to_dict()
        if archive is not None:
            vector = archive.embedding(item.id)
            row["embedding"] = None if vector is None else vector.round(6).tolist()
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_parquet(
    found: "Iterable[Found | ArchiveRecord]", file: IO[bytes], archive: "Archive | None" = None
) -> None:
    """Typed columns; with the archive, its embeddings too, as lists of float32.

    Raises:
        ArchiveError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise ArchiveError(f"Parquet needs the package pyarrow: {install('pyarrow')}") from None
    types: dict[str, Any] = dict.fromkeys((*_PLAIN, *NAMES, *_FACTS), pa.string())
    types |= {name: pa.float64() for name in _NUMBERS}
    types |= {"channel": pa.int32(), "created": pa.timestamp("us", tz="UTC")}
    types |= {"warnings": pa.list_(pa.string()), "tags": pa.list_(pa.string())}
    if archive is not None:
        types["embedding"] = pa.list_(pa.float32())
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(found):
            rows = [{**_flat(item), "created": item.created} for item in group]
            if archive is not None:
                for row in rows:
                    row["embedding"] = archive.embedding(row["id"])
            writer.write_table(pa.Table.from_pylist(rows, schema))


def segments(archive: "Archive", found: "Iterable[Found]") -> Iterator[Rows]:
    """The segments of recognitions, as the archive has them: without what heads hear."""
    for item in found:
        outputs = None if item.outputs is None else str(item.outputs)
        yield Rows(item.link or item.name, outputs, [_segment(row) for row in archive.segments(item.id)])


def sources(found: "Iterable[Found]") -> Iterator[Source]:
    """Where the frames of recognitions are: in the outputs directories, and not in the archive."""
    for item in found:
        yield Source(item.link or item.name, item.outputs)


def _segment(row: dict[str, Any]) -> Segment:
    scores = {name: row[name] for name in NAMES}
    facts = {name: row[name] for name in ("start", "end", "emotion", "confidence", "channel")}
    return Segment.model_construct(**facts, scores=scores)  # checked when it was archived


def _flat(item: "Found | ArchiveRecord") -> dict[str, Any]:
    row = item.to_dict()
    return {**row, **row.pop("scores")}


def _groups(found: "Iterable[Found | ArchiveRecord]") -> "Iterator[list[Found | ArchiveRecord]]":
    waiting = iter(found)
    while group := list(islice(waiting, _TOGETHER)):
        yield group
