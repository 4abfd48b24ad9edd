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
    segments = list(csv.DictReader(io.StringIO(run("table", "segments", "--archive", *option)[1])))
    assert {row["relative_to"] for row in segments} == {"raw", "line3"}
    assert "relative_to" not in run("table", "segments", "--archive")[1].splitlines()[0]
    for arguments in (
        ("archive", "export", "--format", "parquet", "--embedding", "--output", "x.parquet"),
        ("table", "segments", "--archive", "--out", "x.parquet"),
    ):
        assert run(*arguments, *option)[0] == 0
        column = pyarrow.parquet.read_table("x.parquet").column("relative_to").to_pylist()
        assert set(column) == {"raw", "line3"}


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
