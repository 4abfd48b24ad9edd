import csv
import io
import json
from pathlib import Path

import pyarrow.parquet

from emovox.archive.record import FIELDS
from emovox.archive.table import COLUMNS, write_csv, write_jsonl, write_parquet
from emovox.emotions import NAMES
from emovox.exports.columns import Layout
from support.records import record, without_nine


def test_the_columns_are_the_fields() -> None:
    assert set(COLUMNS) == {*FIELDS, *NAMES, "headline", "headline_zh"} - {"scores", "readouts"}
    one = record(1, warnings=("quiet", "short"), tags=("a", "b"), channel=2)
    text = io.StringIO()
    write_csv([one], text, Layout())
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert tuple(row) == COLUMNS
    assert (row["warnings"], row["tags"], row["channel"], row["sad"]) == ("quiet short", "a,b", "2", "0.0")


def test_readouts_have_columns(tmp_path: Path) -> None:
    records = [without_nine(3), record(1)]
    layout = Layout()
    for item in records:
        layout.add(item.readouts)
    text = io.StringIO()
    write_csv(records, text, layout)
    first, second = csv.DictReader(io.StringIO(text.getvalue()))
    own = [
        "emotion.label", "emotion.confidence", "emotion.rabbia", "emotion.gioia", "emotion.paura", "emotion.calma",
        "emotion.noia", "dimensions.arousal", "dimensions.valence",
    ]  # fmt: skip
    assert list(first) == [*COLUMNS, *own]
    assert [first[name] for name in own] == ["calma", "0.5", "0.2", "0.1", "0.1", "0.5", "0.1", "0.3", "0.5"]
    assert [first[name] for name in ("emotion", "confidence", "happy")] == [""] * 3
    assert ({second[name] for name in own}, second["happy"]) == ({""}, "0.0")
    with (tmp_path / "a.parquet").open("wb") as file:
        write_parquet(records, file, layout)
    table = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert table.column_names == [*COLUMNS, *own]
    assert table["dimensions.arousal"].to_pylist() == [0.3, None]
    assert table["emotion.label"].to_pylist() == ["calma", None]
    assert table["emotion"].to_pylist() == [None, "disgusted"]


def test_json_lines_have_them_in_their_order() -> None:
    text = io.StringIO()
    write_jsonl([record(1)], text)
    row = json.loads(text.getvalue())
    assert tuple(row) == FIELDS
    assert tuple(row["scores"]) == NAMES
