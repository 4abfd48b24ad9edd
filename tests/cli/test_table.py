import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from emovox.archive import Archive
from emovox.emotions import NAMES
from emovox.outputs import Outputs
from support.records import classic
from support.results import frames, recognition, recording, segment, values

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def heard(run: Run) -> list[Path]:
    """Three recordings, of which the last was heard without segments and frames."""
    parts = {"segments": [segment(0, 1), segment(2, 3, "sad")], "frames": frames(50)}
    outputs = Outputs("outputs")
    directories = []
    for number, more in enumerate([parts, parts, {}]):
        sound = recording(4, name=f"call {number}.wav", sha256=f"{number}" * 64)
        with outputs.draft() as draft:
            directories.append(draft.publish(recognition(recording=sound, **more)))
    return directories


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_of_a_folder(run: Run, heard: list[Path]) -> None:
    code, out, err = run("table", "segments", "outputs")
    assert code == 0
    found = rows(out)
    assert [(row["path"], row["outputs"], row["emotion"]) for row in found] == [
        (f"call {number}.wav", str(heard[number]), emotion) for number in (0, 1) for emotion in ("happy", "sad")
    ]
    assert list(found[0]) == ["path", "outputs", "start", "end", "emotion", "confidence", *NAMES, "channel"]
    assert err == "1 of 3 recordings have no segments: recognise them with --segments\n"
    assert run("table", "segments")[1] == out
    assert run("table", "segments", "--outputs", "outputs")[1] == out
    assert len(rows(run("table", "segments", heard[1], heard[1], "outputs")[1])) == 4
    code, out, err = run("table", "frames", "--out", "frames.PARQUET")
    assert (code, out) == (0, "")
    assert "1 of 3 recordings have no frames" in err
    assert len(pd.read_parquet("frames.PARQUET")) == 100


def test_of_the_archive(run: Run, heard: list[Path]) -> None:
    assert run("archive", "import", "outputs")[0] == 0
    assert run("archive", "tag", "chosen", heard[0])[0] == 0
    of_folder, of_archive = rows(run("table", "segments")[1]), rows(run("table", "segments", "--archive")[1])
    places = [row.pop("outputs") for row in [*of_folder, *of_archive]]
    assert {Path(place).absolute() for place in places} == {place.absolute() for place in heard[:2]}
    assert sorted(map(str, of_folder)) == sorted(map(str, of_archive))
    for part, count in {"segments": 2, "frames": 50, "recordings": 1}.items():
        chosen = ("--filter", "tag=chosen")
        code, out, _ = run("table", part, "--archive", *chosen)
        assert (code, len(rows(out))) == (0, count)
        assert run("archive", "export", "--rows", part, *chosen)[1] == out
        assert (
            run("archive", "export", "--rows", part, *chosen, "--format", "parquet", "--out", "a.parquet")[0] == 0
        )
        assert len(pd.read_parquet("a.parquet")) == count


def test_the_archive_has_the_values_of_segments(run: Run) -> None:
    own = {"dimensions": values(arousal=0.9, valence=0.2), "other": values(arousal=0.1)}
    item = recognition(
        readouts=own, segments=[segment(0, 1, readouts=own), segment(2, 3, readouts={"other": own["other"]})]
    )
    with Outputs("outputs").draft() as draft:
        draft.publish(item)
    assert run("archive", "import", "outputs")[0] == 0
    of_folder, of_archive = run("table", "segments")[1], run("table", "segments", "--archive")[1]
    assert [list(row.values())[2:] for row in rows(of_archive)] == [
        list(row.values())[2:] for row in rows(of_folder)
    ]
    assert rows(of_archive)[0].keys() == rows(of_folder)[0].keys() >= {"dimensions.arousal", "other.arousal"}
    with Archive() as archive:
        [record] = archive.all()
    out = run("archive", "show", record.id, "--format", "json")[1]
    assert [row["values"] for row in json.loads(out)["segments"]] == [
        {"dimensions": {"arousal": 0.9, "valence": 0.2}, "other": {"arousal": 0.1}},
        {"other": {"arousal": 0.1}},
    ]
    out = run("archive", "show", record.id)[1]
    assert out.splitlines()[-2].endswith(
        "happy  dimensions.arousal 0.90  dimensions.valence 0.20  other.arousal 0.10"
    )
    assert "0:00" in run("archive", "moments", "dimensions.arousal >= 0.7")[1]
    assert run("table", "segments", "--archive", "--out", "a.parquet")[0] == 0
    table = pd.read_parquet("a.parquet")
    assert table["dimensions.valence"].tolist()[0] == pytest.approx(0.2)


def test_the_path_is_where_the_recording_was(run: Run) -> None:
    with Archive() as archive:
        archive.add(recognition(segments=[segment(0, 1)]), link="/far/away.wav")
        archive.add(recognition(segments=[segment(0, 2)]))
    code, out, _ = run("table", "segments", "--archive")
    assert code == 0
    assert sorted((row["end"], row["path"], row["outputs"]) for row in rows(out)) == [
        ("1.000000", "/far/away.wav", ""),
        ("2.000000", "/far/away.wav", ""),
    ]
    code, out, err = run("table", "frames", "--archive")
    assert (code, rows(out)) == (0, [])
    assert err.startswith("2 of 2 recordings have no frames")


def test_of_recordings_it_is_the_archives(run: Run, heard: list[Path]) -> None:
    classic(Path("outputs/outputs_20240105_223000"), key="foreign")
    assert run("archive", "import", Path("outputs").absolute())[0] == 0
    mine, archived = (
        rows(run(*words)[1])
        for words in (["table", "recordings", Path("outputs").absolute()], ["archive", "export"])
    )
    assert sorted(map(str, mine)) == sorted(map(str, archived))
    assert run("table", "recordings", "--out", "a.parquet") == (0, "", "")
    assert pd.read_parquet("a.parquet")["name"].tolist()[-1] == "foreign"


@pytest.mark.parametrize("words", [["table", "frames", "--archive"], ["archive", "export", "--rows", "frames"]])
def test_directories_that_are_gone_are_named(run: Run, heard: list[Path], words: list[str]) -> None:
    assert run("archive", "import", "outputs")[0] == 0
    heard[0].rename("elsewhere")
    code, out, err = run(*words)
    assert (code, len(rows(out))) == (1, 50)
    assert f"Error: {heard[0].absolute()}: not an outputs directory" in err


@pytest.mark.parametrize("part", ["recordings", "segments", "frames"])
def test_what_cannot_be_read_is_named_and_the_rest_written(run: Run, heard: list[Path], part: str) -> None:
    (heard[0] / "result.json").write_text("{")
    code, out, err = run("table", part, "outputs", "nowhere", "--out", "a.csv")
    assert (code, out) == (1, "")
    assert f"Error: {heard[0]}: " in err
    assert "Error: nowhere: no such directory" in err
    table = Path("a.csv").read_text()
    assert len(rows(table)) == {"recordings": 2, "segments": 2, "frames": 50}[part]
    (heard[1] / "result.json").write_text("{")
    assert run("table", part, heard[0], heard[1], "--out", "a.csv")[0] == 1
    assert Path("a.csv").read_text() == table  # nothing is no table


def test_without_pyarrow_it_says_so(run: Run, heard: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for words in (
        ["table", "segments", "--out", "a.parquet"],
        ["archive", "export", "--rows", "segments", "--format", "parquet", "--out", "a"],
        ["archive", "export", "--format", "parquet", "--out", "a"],
    ):
        code, _, err = run(*words)
        assert (code, "parquet needs pyarrow" in err) == (2, True)


def test_usage(run: Run, heard: list[Path]) -> None:
    for words in (
        ["segments", "outputs", "--archive"],
        ["segments", "--filter", "tag=x"],
        ["segments", "--out", "a.xlsx"],
        ["words"],
    ):
        assert run("table", *words)[0] == 2
    assert run("archive", "export", "--rows", "segments", "--format", "jsonl")[0] == 2
    assert run("archive", "export", "--rows", "frames", "--format", "parquet", "--embedding", "--out", "a")[0] == 2


def test_for_audformat(run: Run, heard: list[Path]) -> None:
    code, _, err = run("table", "segments", "outputs", "--out", "calls.audformat")
    assert code == 0, err
    found = rows(Path("calls.audformat/db.segments.csv").read_text(encoding="utf-8"))
    assert [row["emotion"] for row in found] == ["happy", "sad", "happy", "sad"]
    assert found[0]["start"] == "0 days 00:00:00.000000"
    assert Path("calls.audformat/db.yaml").read_text(encoding="utf-8").startswith('name: "calls"\n')
    assert "1 of 3 recordings have no segments" in err
    assert run("archive", "import", "outputs")[0] == 0
    code, _, err = run("archive", "export", "--format", "audformat", "--output", "all.audformat")
    assert code == 0, err
    found = rows(Path("all.audformat/db.recordings.csv").read_text(encoding="utf-8"))
    assert {row["emotion"] for row in found} == {"happy"}
    assert len(found) == 3
    code, _, err = run("table", "frames", "--out", "x.audformat")
    assert (code, "write frames as Parquet" in err) == (2, True)
    code, _, err = run("archive", "export", "--format", "audformat")
    assert (code, "audformat is a folder" in err) == (2, True)
