"""The archive's commands with --baseline: they say what emotions are relative to, and nothing changes without."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest

from emovox.inference.recognition import Recognition

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kept(run: Run, examples: list[Path], monkeypatch: pytest.MonkeyPatch) -> Recognition:
    """Two recordings in the archive, one of them recognised with a baseline of the other; its result."""
    monkeypatch.setenv("EMOVOX_MODEL", "lite")
    assert run("recognize", examples[0], "--archive", "--quiet", "--segments")[0] == 0
    assert run("baseline", "fit", "--archive", "--name", "line3", "--quiet")[0] == 0
    options = ("--baseline", "line3", "--archive", "--quiet", "--segments", "--format", "json")
    code, out, err = run("recognize", examples[1], *options)
    assert code == 0, err
    facts = {name: value for name, value in json.loads(out)[0].items() if name not in {"path", "outputs"}}
    return Recognition.model_validate(facts)


def rows(text: str) -> dict[str, dict[str, str]]:
    return {row.get("name") or row["path"]: row for row in csv.DictReader(io.StringIO(text))}


def test_what_is_archived_says_what_it_was_recognised_with(run: Run, kept: Recognition) -> None:
    code, out, _ = run("archive", "list")
    assert code == 0
    assert [line.endswith("(recognised with line3)") for line in out.splitlines()] == [True, False]
    _, out, _ = run("archive", "list", "--filter", "baseline=line3", "--format", "json")
    [item] = json.loads(out)
    assert kept.baseline is not None
    assert (item["baseline"], item["relative_to"]) == (kept.baseline.model_dump(mode="json"), "raw")
    assert item["scores"]["happy"] == pytest.approx((kept.scores_without or {})["happy"])
    _, out, _ = run("archive", "show", item["id"])
    assert "baseline    line3, of 1 recording" in out
    assert "relative_to raw" in out
    cells = rows(run("archive", "export")[1])[str(item["name"])]
    assert (cells["baseline"], cells["relative_to"]) == ("line3", "raw")


def test_relative_to_what_each_was_recognised_with(run: Run, kept: Recognition) -> None:
    name, option = str(kept.recording.name), ("--baseline", "recognized")
    code, out, err = run("archive", "list", *option)
    assert (code, err) == (0, "relative to what each was recognised with\n")
    assert "recognised with" not in out
    cells = rows(run("archive", "export", *option)[1])[name]
    assert float(cells["happy"]) == pytest.approx((kept.scores or {})["happy"], rel=1e-6)
    assert (cells["emotion"], cells["relative_to"]) == (kept.emotion, "line3")
    for arguments, column in (
        (("archive", "export", "--format", "parquet", "--embedding", "--output", "x.parquet"), "relative_to"),
        (("table", "segments", "--archive", "--out", "x.parquet"), "baseline"),
    ):
        assert run(*arguments, *option)[0] == 0
        table = pyarrow.parquet.read_table("x.parquet")
        names = table.column(column).to_pylist()
        assert set(names) == {"raw" if column == "relative_to" else None, "line3"}
        moved = [name == "line3" for name in names]
        assert [cell is not None for cell in table.column("happy_without").to_pylist()] == moved


def test_raw_scores_stand_beside_relative_ones(run: Run, kept: Recognition) -> None:
    option, without = ("--baseline", "recognized"), kept.scores_without or {}
    text = run("archive", "export", *option)[1]
    cells = rows(text)[str(kept.recording.name)]
    best = max(without, key=without.__getitem__)
    assert cells["emotion_without"] == best
    assert float(cells["confidence_without"]) == pytest.approx(without[best], rel=1e-6)
    assert float(cells["happy_without"]) == pytest.approx(without["happy"], rel=1e-6)
    others = [row for name, row in rows(text).items() if name != kept.recording.name]
    assert [row["happy_without"] for row in others] == [""]
    lines = [json.loads(line) for line in run("archive", "export", *option, "--format", "jsonl")[1].splitlines()]
    assert [line.get("scores_without") is not None for line in lines] == [True, False]
    assert lines[0]["scores_without"]["happy"] == pytest.approx(without["happy"])
    for rows_of in ("recordings", "segments"):
        assert "_without" not in run("archive", "export", "--rows", rows_of)[1]


def test_segments_of_the_archive_are_those_of_the_outputs(run: Run, kept: Recognition) -> None:
    stored, archived = run("table", "segments"), run("table", "segments", "--archive", "--baseline", "recognized")
    one, other = ([*csv.DictReader(io.StringIO(text))] for _, text, _ in (stored, archived))
    assert list(one[0]) == list(other[0])
    assert {row["baseline"] for row in one} == {"", "line3"}
    one, other = ([row for row in items if row["baseline"]] for items in (one, other))
    for row, same in zip(one, other, strict=True):
        for name in row.keys() - {"path", "outputs"}:
            if row[name][:1].isdigit():
                assert float(same[name]) == pytest.approx(float(row[name]), abs=2e-6), name
            else:
                assert same[name] == row[name], name


def test_relative_to_all_of_them(run: Run, kept: Recognition) -> None:
    code, out, err = run("archive", "stats", "--baseline", "corpus", "--expect", "neutral=0.8", "--format", "json")
    assert code == 0, err
    totals = json.loads(out)
    assert (totals["relative_to"], sum(totals["by_emotion"].values())) == ("corpus", 2)
    assert json.loads(run("archive", "stats", "--format", "json")[1])["relative_to"] == "raw"
    assert "by emotion, relative to the corpus\n" in run("archive", "stats", "--baseline", "corpus")[1]
    option = ("--baseline", "corpus", "--expect", "neutral=0.8")
    assert run("archive", "list", *option)[2] == "relative to the corpus (neutral=0.8)\n"
    word = ("--filter", "happy>0.01", "--baseline", "line3", "--format", "jsonl")
    lines = [json.loads(line) for line in run("archive", "export", *word)[1].splitlines()]
    assert lines
    assert all(line["scores"]["happy"] > 0.01 and line["relative_to"] == "line3" for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("archive", "stats", "--expect", "neutral=0.8"), "give --baseline, too"),
        (("archive", "stats", "--baseline", "corpus", "--filter", "angry>0.5"), "can't be filtered by emotions"),
        (("archive", "export", "--baseline", "self"), "choose recognized here"),
        (("table", "segments", "--baseline", "corpus"), "are for the archive: add --archive"),
        (("table", "frames", "--archive", "--baseline", "corpus"), "frames are as they were recognised"),
    ],
)
def test_what_cant_be(run: Run, kept: Recognition, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = run(*arguments)
    assert code == 2, err
    assert words in err
