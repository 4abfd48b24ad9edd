"""Exports of lines of text."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import webvtt

from emovox import exports
from emovox.errors import ExportError
from emovox.inference.recognition import Line, ReadoutResult, Recognition
from support.results import recognition, recording, segment


def line(start: float, end: float, text: str, emotion: str | None = None, **facts: Any) -> Line:
    judged = (
        {}
        if emotion is None
        else segment(start, end, emotion).model_dump(include={"emotion", "confidence", "scores"})
    )
    return Line(start=start, end=end, text=text, **judged, **facts)


@pytest.fixture
def talk() -> Recognition:
    lines = [line(0.5, 2, "Was <du>\nsagst", "angry"), line(2, 3.25, "gut", "happy"), line(5, 6, "unheard")]
    return recognition(recording=recording(10), segments=[segment(0.6, 3.2, "angry")], lines=lines)


def test_each_part_has_a_file(talk: Recognition, tmp_path: Path) -> None:
    paths = exports.write(talk, tmp_path, ["srt", "vtt", "textgrid", "csv", "parquet"])
    assert [path.name for path in paths] == [
        "segments.srt", "lines.srt", "segments.vtt", "lines.vtt", "segments.TextGrid", "segments.csv", "lines.csv",
        "segments.parquet", "lines.parquet",
    ]  # fmt: skip
    alone = talk.model_copy(update={"segments": None})
    assert [path.name for path in exports.write(alone, tmp_path, ["srt", "csv"])] == ["lines.srt", "lines.csv"]
    with pytest.raises(ExportError, match=r"srt needs segments or lines, .* with --segments or --words"):
        exports.write(talk.model_copy(update={"segments": None, "lines": None}), tmp_path, ["srt"])


def test_captions_have_the_emotion_above_the_words(talk: Recognition, tmp_path: Path) -> None:
    exports.write(talk, tmp_path, ["srt", "vtt"])
    captions = webvtt.from_srt(str(tmp_path / "lines.srt"))
    assert [(cue.start, cue.lines) for cue in captions.captions] == [
        ("00:00:00.500", ["😠 angry 75 %", "Was ‹du› sagst"]),
        ("00:00:02.000", ["😊 happy 75 %", "gut"]),
        ("00:00:05.000", ["unheard"]),
    ]
    same = webvtt.read(str(tmp_path / "lines.vtt"))
    assert [cue.lines for cue in same.captions] == [cue.lines for cue in captions.captions]


def test_tables_have_the_text_behind_the_times(talk: Recognition, tmp_path: Path) -> None:
    values = ReadoutResult(kind="linear", values={"arousal": 0.5})
    lines = [*(talk.lines or []), line(7, 8, "calm, really", readouts={"dimensions": values})]
    exports.write(talk.model_copy(update={"lines": lines}), tmp_path, ["csv", "parquet"])
    with (tmp_path / "lines.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]][:5] == ["start", "end", "text", "emotion", "confidence"]
    assert [(row["text"], row["emotion"], row["dimensions.arousal"]) for row in rows] == [
        ("Was <du>\nsagst", "angry", ""),
        ("gut", "happy", ""),
        ("unheard", "", ""),
        ("calm, really", "", "0.500000"),
    ]
    table = pd.read_parquet(tmp_path / "lines.parquet")
    assert [*table.columns] == [*rows[0]]
    assert table["text"].tolist() == [row["text"] for row in rows]
    assert str(table["start"].dtype) == "float64"
    with (tmp_path / "segments.csv").open(encoding="utf-8") as file:
        assert "text" not in next(csv.reader(file))


def test_a_formula_stays_text(talk: Recognition, tmp_path: Path) -> None:
    exports.write(talk.model_copy(update={"lines": [line(0, 1, "=1+1")]}), tmp_path, ["csv"])
    assert ",=1+1," not in (tmp_path / "lines.csv").read_text(encoding="utf-8")


def test_formats_say_that_they_show_lines() -> None:
    assert [name for name in exports.FORMATS if "lines" in exports.parts(name)] == ["srt", "vtt", "csv", "parquet"]
    assert exports.needs(["srt", "csv"]) == {"segments"}
    assert json.loads(json.dumps(exports.parts("csv"))) == ["segments", "lines", "frames"]
