"""Databases as the package audformat reads them; where it isn't installed, by the rules of its format."""

import csv
from pathlib import Path

import pytest
import yaml

from emovox.emotions import NAMES
from emovox.exports import audformat as exported
from emovox.exports.columns import Layout
from emovox.exports.table import Rows
from emovox.inference.recognition import ReadoutResult
from support.results import segment

MOOD = {"mood 1": ReadoutResult(kind="linear", values={"arousal": 5.5, "唤醒: x": -1.0}, range=(1, 7))}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    layout = Layout()
    layout.add(MOOD)
    sound = tmp_path / "a, b.wav"
    sound.write_bytes(b"")
    rows = [
        Rows(str(sound), None, [segment(0.25, 3661.5, "angry", readouts=MOOD), segment(3661.5, 90_000)]),
        Rows("gone.wav", None, [segment(0, 1), segment(0, 1, "sad", channel=2)]),
    ]
    directory = tmp_path / "calls.audformat"
    columns = exported.segment_columns(layout)
    assert exported.write(directory, "segments", columns, exported.segment_rows(rows, layout)) == 1
    return directory


def test_the_header_and_the_table_belong_together(database: Path) -> None:
    header = yaml.safe_load((database / "db.yaml").read_text(encoding="utf-8"))
    assert header["name"] == "calls"
    table = header["tables"]["segments"]
    assert table["type"] == "segmented"
    assert header["schemes"]["emotion"] == {"dtype": "str", "labels": list(NAMES)}
    assert header["schemes"]["confidence"] == {"dtype": "float", "minimum": 0.0, "maximum": 1.0}
    assert header["schemes"]["mood 1.arousal"] == {"dtype": "float"}
    with (database / "db.segments.csv").open(encoding="utf-8") as file:
        [first, *rest] = csv.reader(file)
    assert first == ["file", "start", "end", *table["columns"]]
    assert rest[0][1:4] == ["0 days 00:00:00.250000", "0 days 01:01:01.500000", "angry"]
    assert rest[1][2] == "1 days 01:00:00.000000"
    assert len(rest) == 3


@pytest.mark.filterwarnings("ignore::Warning")  # audformat calls what pandas warns of
def test_audformat_loads_segments(database: Path) -> None:
    audformat = pytest.importorskip("audformat")
    pd = pytest.importorskip("pandas")
    loaded = audformat.Database.load(str(database))
    frame = loaded["segments"].get()
    assert audformat.is_segmented_index(frame.index)
    assert frame.index.get_level_values("file")[0].endswith("a, b.wav")
    assert list(frame.index.get_level_values("start"))[:2] == [pd.Timedelta(0.25, "s"), pd.Timedelta(3661.5, "s")]
    assert list(frame["emotion"]) == ["angry", "happy", "happy"]
    assert frame["mood 1.arousal"].iloc[0] == 5.5
    assert frame["mood 1.唤醒: x"].iloc[0] == -1
    assert frame["mood 1.arousal"].isna().tolist() == [False, True, True]
    assert frame["confidence"].iloc[0] == 0.75
    assert all(value in loaded.schemes["emotion"] for value in frame["emotion"])
    assert loaded["segments"]["mood 1.arousal"].get().name == "mood 1.arousal"


@pytest.mark.filterwarnings("ignore::Warning")  # audformat calls what pandas warns of
def test_audformat_loads_recordings_and_joins_databases(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    layout = Layout()
    layout.add(MOOD)
    for number, name in enumerate(("one", "two")):
        directory = tmp_path / f"{name}.audformat"
        scores = {key: float(key == "sad") for key in NAMES}
        rows = [
            exported.recording_row(f"{name}.wav", tmp_path, scores, ("sad", 1.0), "tiny 1", [number + 0.5, None]),
            exported.recording_row(f"{name}2.wav", None, None, (None, None), "tiny 1", [1.0, 2.0]),
        ]
        assert exported.write(directory, "recordings", exported.recording_columns(layout), rows) == 0
    one, two = (audformat.Database.load(str(tmp_path / f"{name}.audformat")) for name in ("one", "two"))
    frame = one["recordings"].get()
    assert audformat.is_filewise_index(frame.index)
    assert frame.loc["one.wav", "emotion"] == "sad"
    assert frame.loc["one.wav", "mood 1.arousal"] == 0.5
    assert frame["emotion"].isna().tolist() == [False, True]
    assert list((one["recordings"] + two["recordings"]).files) == ["one.wav", "one2.wav", "two.wav", "two2.wav"]


def test_a_row_names_a_file_that_can_be_heard(tmp_path: Path) -> None:
    recording, kept = tmp_path / "x.wav", tmp_path / "outputs" / "processed_audio.wav"
    kept.parent.mkdir()
    assert exported.media(str(recording), kept.parent) == str(recording)  # neither is there
    kept.write_bytes(b"")
    assert exported.media(str(recording), kept.parent) == str(kept)
    assert exported.media("x.wav", None) == "x.wav"
    recording.write_bytes(b"")
    assert exported.media(str(recording), kept.parent) == str(recording)
