"""The archive as a table: CSV, JSON lines, Parquet."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from emovox.archive.record import RAW, ArchiveRecord
from emovox.emotions import NAMES
from emovox.errors import ArchiveError
from emovox.exports import audformat
from emovox.exports.columns import Cell, Layout
from emovox.exports.table import Rows, Source
from emovox.inference.recognition import Segment
from emovox.models.readout import EMOTION
from emovox.packages import install
from emovox.spreadsheets import writer

if TYPE_CHECKING:
    from emovox.archive.archive import Archive
    from emovox.archive.view import View

# The record's fields, but a column for each score, and a summary's kind and headline in both languages.
COLUMNS = (
    "id", "name", "sha256", "link", "created", "emotion", "confidence", *NAMES, "duration", "speech", "model",
    "revision", "precision", "granularity", "channel", "warnings", "tags", "outputs", "baseline", "relative_to",
    "side", "policy", "summary", "headline", "headline_zh", "purpose", "consent",
)  # fmt: skip
_NUMBERS = ("confidence", *NAMES, "duration", "speech")
_TOGETHER = 1000  # rows of a Parquet group


def layout_of(view: "View") -> Layout:
    """The columns that readouts of its records have; with a baseline also those of the raw scores."""
    layout = _layout(view)
    for name in view.archive.reading_names(view.where):
        layout.add_readout(name.readout, [name.label], classes=not name.value)
    return layout


def segment_layout(view: "View") -> Layout:
    """The same of segments, which are kept with the nine emotions and values."""
    layout = _layout(view)
    for name in view.archive.reading_names(view.where):
        if name.value:
            layout.add_readout(name.readout, [name.label], classes=False)
    return layout


def _layout(view: "View") -> Layout:
    layout = Layout()
    if view.relative is not None:
        layout.relative, layout.moved = True, [EMOTION]
    layout.labels_given = bool(view.archive.corrections.counts())
    return layout


def write_csv(records: Iterable[ArchiveRecord], file: IO[Any], layout: Layout) -> None:
    """A line for each record, with the columns of readouts."""
    write = writer(file)
    write([*COLUMNS, *_own_columns(layout)])
    for record in records:
        row = _flat(record)
        row |= {"warnings": " ".join(row["warnings"]), "tags": ",".join(row["tags"])}
        write([*(row[name] for name in COLUMNS), *_own_cells(layout, record)])


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
    layout: Layout,
    archive: "Archive | None" = None,
) -> None:
    """A row for each record, in typed columns.

    Args:
        records: the rows.
        file: gets them.
        layout: the columns of readouts.
        archive: adds their embeddings, as lists of float32.

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
    own = _own_columns(layout)
    types |= {name: pa.string() if kind is str else pa.float64() for name, kind in own.items()}
    if archive is not None:
        types["embedding"] = pa.list_(pa.float32())
    schema = pa.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        remaining = iter(records)
        while group := list(islice(remaining, _TOGETHER)):
            rows = [
                {**_flat(record), "created": record.created}
                | dict(zip(own, _own_cells(layout, record), strict=True))
                for record in group
            ]
            if archive is not None:
                for row in rows:
                    row["embedding"] = archive.embedding(row["id"])
            writer.write_table(pa.Table.from_pylist(rows, schema))


def rows(records: Iterable[ArchiveRecord], layout: Layout) -> Iterator[audformat.Row]:
    """The rows of records in a database of audformat."""
    for record in records:
        yield audformat.recording_row(
            record.link or record.name,
            record.outputs,
            record.scores,
            (record.emotion, record.confidence),
            f"{record.model} {record.revision}",
            layout.readout_cells(record.readouts),
        )


def segments(view: "View") -> Iterator[Rows]:
    """The segments of records, as the archive has them: with the nine emotions and values."""
    for record in view.records():
        outputs = None if record.outputs is None else str(record.outputs)
        rows, relative_to = view.segments(record)
        baseline = None if relative_to == RAW else relative_to
        items = view.archive.corrections.label(record, [_segment(row, record) for row in rows])
        yield Rows(record.link or record.name, outputs, items, baseline=baseline)


def sources(records: Iterable[ArchiveRecord]) -> Iterator[Source]:
    """Where the frames of records are: in their outputs directories, not in the archive."""
    for record in records:
        yield Source(record.link or record.name, record.outputs)


def _segment(row: dict[str, Any], record: ArchiveRecord) -> Segment:
    scores = None if row["emotion"] is None else {name: row[name] for name in NAMES}
    facts = {name: row[name] for name in ("start", "end", "emotion", "confidence", "channel")}
    without = row.get("scores_without")  # checked when it was archived, as all of it
    readouts = {
        name: own.model_copy(update={"values": row["values"][name]})
        for name, own in record.readouts.items()
        if name in row["values"]
    }
    return Segment.model_construct(**facts, scores=scores, scores_without=without, readouts=readouts)


def _own_columns(layout: Layout) -> dict[str, type]:
    return layout.readout_columns() | layout.without_columns()


def _own_cells(layout: Layout, record: ArchiveRecord) -> list[Cell]:
    cells = layout.readout_cells(record.readouts)
    if not layout.relative:
        return cells
    raw = record.raw
    return [
        *cells,
        *(layout.without_cells(None, {}) if raw is None else layout.without_cells(raw.scores, raw.readouts)),
    ]


def _flat(record: ArchiveRecord) -> dict[str, Any]:
    row = record.to_dict()
    row["baseline"] = None if record.baseline is None else record.baseline.name
    row.pop("scores_without", None)
    row["policy"] = None if record.policy is None else record.policy.profile
    brief = record.summary
    row["summary"] = None if brief is None else brief.kind
    row["headline"], row["headline_zh"] = (None, None) if brief is None else (brief.headline.en, brief.headline.zh)
    return {**row, **(row.pop("scores") or dict.fromkeys(NAMES))}
