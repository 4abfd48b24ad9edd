import csv
import io
import json

from emovox.archive.record import FIELDS
from emovox.archive.table import COLUMNS, write_csv, write_jsonl
from emovox.emotions import NAMES
from support.records import record


def test_the_columns_are_the_fields() -> None:
    assert set(COLUMNS) == {*FIELDS, *NAMES} - {"scores"}
    one = record(1, warnings=("quiet", "short"), tags=("a", "b"), channel=2)
    text = io.StringIO()
    write_csv([one], text)
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert tuple(row) == COLUMNS
    assert (row["warnings"], row["tags"], row["channel"], row["sad"]) == ("quiet short", "a,b", "2", "0.0")


def test_json_lines_have_them_in_their_order() -> None:
    text = io.StringIO()
    write_jsonl([record(1)], text)
    row = json.loads(text.getvalue())
    assert tuple(row) == FIELDS
    assert tuple(row["scores"]) == NAMES
