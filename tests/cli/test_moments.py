import csv
import io
import json
from collections.abc import Callable

import pytest

from emovox.archive import Archive
from emovox.archive.record import SegmentRecord
from emovox.emotions import NAMES
from support.records import record

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def filled(run: Run) -> Run:
    scores = {**dict.fromkeys(NAMES, 0.0), "angry": 0.75, "neutral": 0.25}
    with Archive() as archive:
        archive.add_records([
            record(1, segments=(SegmentRecord(60, 65.5, "angry", 0.75, scores),), side="customer"),
            record(2, segments=()),
        ])  # fmt: skip
    return run


def test_moments_as_a_table_as_csv_and_as_json(filled: Run) -> None:
    code, out, err = filled("archive", "moments", "愤怒 >= 60% 持续 3 秒")
    assert code == 0
    assert "1.wav" in out.splitlines()[0]
    assert out.splitlines()[1].split() == ["1:00.0", "–", "1:05.5", "5.5", "s", "75.0", "%"]
    assert "angry >= 60% for 3s: 1 moment in 1 recognition" in err
    assert "1 recognition without segments" in err
    _, out, _ = filled("archive", "moments", "angry >= 60% for 3s", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(out))
    assert (row["name"], row["side"], row["start"], row["peak"]) == ("1.wav", "customer", "60.0", "0.75")
    _, out, _ = filled("archive", "moments", "angry >= 60% for 3s", "--format", "json")
    [item] = json.loads(out)
    assert item["moments"] == [{"start": 60.0, "end": 65.5, "speech": 5.5, "peak": 0.75, "mean": 0.75}]
    _, out, _ = filled("archive", "moments", "angry >= 60%", "--filter", "name=2", "--format", "json")
    assert json.loads(out) == []


def test_flags(filled: Run) -> None:
    assert filled("archive", "flag", "complaint", "angry >= 60% for 3s of customer")[0] == 0
    assert filled("archive", "flag")[1].split() == [
        "complaint",
        "angry",
        ">=",
        "60%",
        "for",
        "3s",
        "of",
        "customer",
    ]
    assert json.loads(filled("archive", "flag", "--format", "json")[1])[0]["name"] == "complaint"
    _, out, _ = filled("archive", "moments", "complaint")
    assert "1:00.0" in out
    assert filled("archive", "flag", "complaint", "--remove")[0] == 0
    assert filled("archive", "moments", "complaint")[0] == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["moments", "angry = 60%"], "write a name"),
        (["moments", "joy > 60%"], "the emotion is called happy"),
        (["moments", "angry > 60%", "--expect", "neutral=0.8"], "--baseline"),
        (["flag", "x"], "give the RULE"),
        (["flag", "--remove"], "NAME"),
        (["flag", "x", "--remove"], "no flag called x"),
    ],
)
def test_what_is_wrong_is_said(filled: Run, words: list[str], reason: str) -> None:
    code, _, err = filled("archive", *words)
    assert code == 2
    assert reason in err
