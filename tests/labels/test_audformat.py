"""Databases as the package audformat writes them, read without it; and one that Emovox wrote."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from emovox.errors import LabelsError
from emovox.exports import audformat as exported
from emovox.exports.columns import Layout
from emovox.exports.table import Rows
from emovox.labels import read_labels, read_values
from emovox.labels.label_list import read_rows
from support.results import segment

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # audformat calls what pandas warns of


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two files with speakers and ratings, three stretches of the first with emotions; as CSV."""
    audformat = pytest.importorskip("audformat")
    base = audformat.Database("calls")
    base.schemes["emotion"] = audformat.Scheme("str", labels=["angry", "sad"])
    base.schemes["arousal"] = audformat.Scheme("float")
    base.schemes["speaker"] = audformat.Scheme(labels={3: {"gender": "male"}, 4: {"gender": "female"}})
    files = audformat.filewise_index(["audio/a.wav", "audio/b, c.wav"])
    base["files"] = audformat.Table(files)
    base["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    base["files"]["speaker"].set([3, 4])
    base["files"]["arousal"] = audformat.Column(scheme_id="arousal")
    base["files"]["arousal"].set([0.25, float("nan")])
    times = [timedelta(0), timedelta(seconds=1.5), timedelta(hours=30)]
    ends = [timedelta(seconds=1), timedelta(seconds=3.123456), timedelta(hours=31)]
    base["parts"] = audformat.Table(audformat.segmented_index(["audio/a.wav"] * 3, times, ends))
    base["parts"]["emotion"] = audformat.Column(scheme_id="emotion")
    base["parts"]["emotion"].set(["angry", "sad", None])
    base.save(str(tmp_path), storage_format="csv")
    return tmp_path


def changed(directory: Path, **header: str) -> Path:
    path = directory / "db.yaml"
    text = path.read_text("utf-8")
    for old, new in header.items():
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_stretches_with_what_is_said_of_their_files(database: Path, form: str) -> None:
    audformat = pytest.importorskip("audformat")
    loaded = audformat.Database.load(str(database))
    target = database / form
    loaded.save(str(target), storage_format=form)
    assert next(target.glob("db.parts.*")).suffix == f".{form}"
    angry, sad = read_labels(target / "db.yaml")
    assert angry.name == "audio/a.wav#t=0,1"
    assert angry.path == target / "audio/a.wav"
    assert (angry.label, dict(angry.groups)) == (
        "angry",
        {"speaker": "3", "arousal": "0.25", "recording": "audio/a.wav"},
    )
    assert (sad.label, sad.span) == ("sad", (1.5, 3.123456))
    rows = read_rows(target / "db.yaml")
    assert rows.spans[2] == (108_000, 111_600)
    assert rows.rows[3] == {"path": "audio/b, c.wav", "speaker": "4"}
    assert rows.spans[3] is None


def test_ratings_of_whole_files(database: Path) -> None:
    path = database / "db.yaml"
    shutil.copy(path, database / "files.yaml")
    shutil.copy(database / "db.files.csv", database / "files.files.csv")
    text = path.read_text("utf-8")
    (database / "files.yaml").write_text(text[: text.index("  parts:")], "utf-8")
    [rated] = read_values(database / "files.yaml", ["arousal"])
    assert (rated.name, rated.span, dict(rated.values)) == ("audio/a.wav", None, {"arousal": 0.25})


def test_tables_that_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text(
        "name: x\ntables:\n"
        + "".join(
            f"  {name}:\n    type: filewise\n    columns:\n      emotion: {{}}\n"
            for name in ("one", "two", "three")
        )
    )
    (tmp_path / "db.one.csv").write_text("file,emotion\na.wav,sad\nb.wav,angry\n")
    (tmp_path / "db.two.csv").write_text("file,emotion\nb.wav,angry\nc.wav,happy\n")
    (tmp_path / "db.three.csv").write_text("file,emotion\na.wav,happy\n")
    assert [row.label for row in read_labels(tmp_path / "db.yaml")] == ["sad", "angry", "happy"]
    [row] = read_labels(tmp_path / "db.yaml", labels="three.emotion")
    assert (row.name, row.label) == ("a.wav", "happy")


def test_what_a_whole_file_is(tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text("tables:\n  t:\n    type: segmented\n    columns: {emotion: {}}\n")
    (tmp_path / "db.t.csv").write_text(
        "file,start,end,emotion\na.wav,0 days,,sad\nb.wav,0 days,0 days 00:00:01,sad\n"
    )
    assert [row.span for row in read_labels(tmp_path / "db.yaml")] == [None, (0, 1)]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("tables:", "tabels:", "not the header"),
        ("tables:", "tables: [", "not valid YAML"),
        ("tables:", f"tables: {'[' * 5000}", "not valid YAML"),
        ("filewise", "[filewise]", "filewise or segmented"),
        ("filewise", "misc", "filewise or segmented"),
        ("  parts:", "  ../parts:", "filewise or segmented"),
        ("  parts:", "  others:", "isn't beside it as CSV or Parquet"),
        ("      emotion:", "      mood:", "row 1: 'mood'"),
    ],
)
def test_what_is_refused(database: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(LabelsError, match=reason):
        read_labels(changed(database, **{old: new}))


@pytest.mark.parametrize(
    ("time", "reason"), [("1.5", "no time as pandas"), ("0 days 00:00:02,", "to the end of its file")]
)
def test_times_that_are_none(tmp_path: Path, time: str, reason: str) -> None:
    (tmp_path / "db.yaml").write_text("tables:\n  t:\n    type: segmented\n    columns: {emotion: {}}\n")
    (tmp_path / "db.t.csv").write_text(f"file,start,end,emotion\na.wav,{time},sad\n")
    with pytest.raises(LabelsError, match=reason):
        read_labels(tmp_path / "db.yaml")


def test_an_export_that_was_corrected(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    sound = tmp_path / "a.wav"
    sound.write_bytes(b"")
    layout, rows = Layout(), [Rows(str(sound), None, [segment(0.25, 2, "angry"), segment(2, 3.5, "sad")])]
    directory = tmp_path / "calls.audformat"
    exported.write(directory, "segments", exported.segment_columns(layout), exported.segment_rows(rows, layout))
    loaded = audformat.Database.load(str(directory))
    frame = loaded["segments"].get()
    loaded["segments"]["emotion"].set(["happy", "sad"])
    assert list(frame["emotion"]) == ["angry", "sad"]
    loaded.save(str(directory), storage_format="csv")
    labels = read_labels(directory / "db.yaml")
    assert [(row.label, row.span, row.path) for row in labels] == [
        ("happy", (0.25, 2), sound),
        ("sad", (2, 3.5), sound),
    ]
