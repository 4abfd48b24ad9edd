"""Every kind of model, from the command to each format."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from praatio import textgrid as praat

from emovox import exports
from emovox.emotions import NAMES
from emovox.models.readout import Readout
from emovox.outputs import read_result
from support import tiny

Run = Callable[..., tuple[int, str, str]]

KINDS: dict[str, tuple[Readout, ...]] = {
    "nine": (tiny.EMOTIONS,),
    "foreign": (tiny.FOREIGN,),
    "several labels to one emotion": (tiny.CALLS,),
    "sigmoid": (tiny.MOODS,),
    "values": (tiny.DIMENSIONS,),
    "window": (tiny.PEAK,),
    "embeddings": (),
    "many": (tiny.FOREIGN, tiny.MOODS, tiny.DIMENSIONS, tiny.PEAK),
    "nine and values": (tiny.EMOTIONS, tiny.DIMENSIONS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_format(run: Run, examples: list[Path], tmp_path: Path, kind: str) -> None:
    readouts = KINDS[kind]
    model = tiny.write(tmp_path / "x.onnx", readouts=readouts)
    arguments = ["recognize", examples[0], "--model", model, "--segments", "--granularity", "frame"]
    formats = [name for name in exports.FORMATS if not exports.values(name) or tiny.DIMENSIONS in readouts]
    code, out, _ = run(*arguments, "--quiet", "--export", ",".join(formats))
    assert code == 0
    [place] = Path("outputs").glob("outputs_*")
    result = json.loads((place / "result.json").read_text())
    own = [readout for readout in readouts if not readout.is_nine]
    assert ("emotion" in result) == gives_nine(kind)
    check_tables(place, result, own)
    check_tiers(place, result, own)
    check_texts(place, result, own, out)
    svg = (place / "timeline.svg").read_text(encoding="utf-8")
    assert all(readout.name in svg for readout in own)
    with Image.open(place / "timeline.png") as image:
        assert image.width == 1920
    before = (place / "segments.TextGrid").read_bytes()
    assert run("export", place, "--format", "csv,textgrid,svg")[0] == 0  # read back from result.json
    assert (place / "segments.TextGrid").read_bytes() == before
    check_tables(place, result, own)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_for_programs(run: Run, examples: list[Path], tmp_path: Path, kind: str) -> None:
    model = tiny.write(tmp_path / "x.onnx", readouts=KINDS[kind])
    own = [readout for readout in KINDS[kind] if not readout.is_nine]
    for more in [], ["--segments"]:
        _, out, _ = run("recognize", examples[0], "--model", model, "--format", "csv", "--no-save", *more)
        [row] = csv.DictReader(io.StringIO(out))
        columns = columns_of(own)
        assert list(row)[-len(columns) :] == columns or not columns
        assert bool(row["emotion"]) == bool(row["angry"]) == gives_nine(kind)
        assert all(row[column] for column in columns)
    _, out, _ = run("recognize", examples[0], "--model", model, "--format", "jsonl", "--no-save")
    assert set(json.loads(out)["readouts"]) == {readout.name for readout in own}


def gives_nine(kind: str) -> bool:
    return kind.startswith(("nine", "several"))


def columns_of(own: list[Readout]) -> list[str]:
    columns = []
    for readout in own:
        columns += [] if readout.gives_values else [f"{readout.name}.label", f"{readout.name}.confidence"]
        columns += [f"{readout.name}.{label}" for label in readout.labels]
    return columns


def check_tables(place: Path, result: dict[str, Any], own: list[Readout]) -> None:
    [segment] = result["segments"]
    columns = columns_of(own)
    for table in (pd.read_csv(place / "segments.csv"), pd.read_parquet(place / "segments.parquet")):
        assert list(table.columns) == ["start", "end", "emotion", "confidence", *NAMES, "channel", *columns]
        assert table["angry"].isna().all() == ("emotion" not in result)
        for readout in own:
            item = segment["readouts"][readout.name]
            for label, number in {**item.get("scores", {}), **item.get("values", {})}.items():
                assert table[f"{readout.name}.{label}"].tolist() == pytest.approx([number], abs=1e-6)
            assert readout.gives_values or table[f"{readout.name}.label"].tolist() == [item["label"]]
    frames = read_result(place).frames
    assert frames is not None
    numbers = [column for column in columns if not column.endswith((".label", ".confidence"))]
    for table in (pd.read_csv(place / "frames.csv"), pd.read_parquet(place / "frames.parquet")):
        assert list(table.columns) == ["time", *NAMES, *(f"logit_{name}" for name in NAMES), *numbers]
        for readout in own:
            names = [f"{readout.name}.{label}" for label in readout.labels]
            np.testing.assert_allclose(table[names], frames.readouts[readout.name].numbers, atol=2e-6)


def check_tiers(place: Path, result: dict[str, Any], own: list[Readout]) -> None:
    grid = praat.openTextgrid(str(place / "segments.TextGrid"), False, reportingMode="error")
    tiers = ["emotion", "confidence"] if "emotion" in result else [] if own else ["speech"]
    for readout in own:
        parts = readout.labels if readout.gives_values else ("label", "confidence")
        tiers += [f"{readout.name}.{part}" for part in parts]
    assert list(grid.tierNames) == tiers
    for readout in own:
        item = result["segments"][0]["readouts"][readout.name]
        for name, number in item.get("values", {"confidence": item.get("confidence")}).items():
            [entry] = grid.getTier(f"{readout.name}.{name}").entries
            assert float(entry.label) == pytest.approx(number, abs=1e-4)
        if "label" in item:
            assert [entry.label for entry in grid.getTier(f"{readout.name}.label").entries] == [item["label"]]


def check_texts(place: Path, result: dict[str, Any], own: list[Readout], out: str) -> None:
    [segment] = result["segments"]
    labels = [item["label"] for item in segment["readouts"].values() if "label" in item]
    lead = segment.get("emotion") or (labels[0] if labels else "arousal" if own else "speech")
    for name in ("segments.srt", "segments.vtt", "segments.txt"):
        text = (place / name).read_text(encoding="utf-8")
        assert lead in text
        assert ("%" in text) == ("emotion" in segment or bool(labels))
    assert lead in out or not own
    for readout in own:
        for label in readout.labels if readout.gives_values else ():
            assert re.search(rf"{label} +-?\d\.\d\d \(0…1\)", out)
            assert not re.search(rf"{label} +-?\d+\.\d %", out)


def test_a_table_of_classes_and_values(run: Run, examples: list[Path], tmp_path: Path) -> None:
    model = tiny.write(tmp_path / "x.onnx", readouts=(tiny.FOREIGN,))
    lines = run("recognize", examples[0], "--model", model, "--no-save", "--top", 2)[1].splitlines()
    assert lines[0].split() == ["file", "class", "confidence"]
    assert lines[1].split()[1:3] == ["rabbia", "20.0"]
    assert lines[2].split()[0] == "gioia"
    model = tiny.write(tmp_path / "y.onnx", readouts=(tiny.MOODS, tiny.DIMENSIONS))
    lines = run("recognize", examples[0], "--model", model, "--no-save", "--labels", "zh")[1].splitlines()
    assert lines[0].split() == ["文件", "类别", "置信度"]
    assert lines[1].strip().endswith(examples[0].name)
    assert [line.split()[0] for line in lines[2:]] == ["mood", "dimensions", "dominance", "valence"]
    assert lines[3].split() == ["dimensions", "arousal", "0.00", "(0…1)"]
    model = tiny.write(tmp_path / "z.onnx", readouts=())
    lines = run("recognize", examples[0], "--model", model, "--no-save")[1].splitlines()
    assert lines[1].split()[-1] == "–"
    assert lines[2].split()[:2] == ["!", "no_head:"]
