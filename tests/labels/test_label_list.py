import json
from pathlib import Path

import pytest

from emovox.errors import LabelsError
from emovox.labels.aliases import SYNONYMS, emotion_of, to_classes
from emovox.labels.label_list import check_exists, find_group, read_labels

ROWS = [("a.wav", "anger", "anna"), ("b/c d.wav", "joy", "bert")]


def write(path: Path, form: str) -> Path:
    delimiter = {"csv": ",", "semicolon": ";", "tsv": "\t"}.get(form)
    if delimiter is None:
        lines = [json.dumps(dict(zip(("path", "label", "speaker"), row, strict=True))) for row in ROWS]
        path = path / "list.jsonl"
    else:
        lines = [delimiter.join(row) for row in [("Path", "Label", "speaker"), *ROWS]]
        path = path / ("list.tsv" if form == "tsv" else "list.csv")
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["csv", "semicolon", "tsv", "jsonl"])
def test_every_form_holds_the_same(tmp_path: Path, form: str) -> None:
    path = write(tmp_path, form)
    rows = read_labels(path)
    assert [(row.name, row.label, row.groups) for row in rows] == [
        (name, label, {"speaker": speaker}) for name, label, speaker in ROWS
    ]
    assert rows[1].path == tmp_path / "b" / "c d.wav"
    assert find_group(rows, None, path) == "speaker"


def test_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("clip,label,mood\na.wav,1,sad\nb.wav,1,happy\n")
    assert [row.label for row in read_labels(path, paths="clip", labels="MOOD")] == ["sad", "happy"]
    with pytest.raises(LabelsError, match=r"no column of path, file, .*; it has clip, label, mood"):
        read_labels(path)
    with pytest.raises(LabelsError, match="no column 'who'; it has clip, label, mood"):
        read_labels(path, paths="clip", labels="who")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "", "the list is empty"),
        ("x.csv", "path,label\n", "the list is empty"),
        ("x.csv", "path,label\na.wav,\n", "row 1 has no label"),
        ("x.csv", "path,label\n,sad\n", "row 1 has no path"),
        ("x.csv", "path,label\na.wav,sad\na.wav,happy\n", "a.wav is labelled 'sad' and 'happy'"),
        ("x.csv", f"path,label\n{200_000 * 'x'},sad\n", "not valid CSV after line 1: field larger"),
        ("x.jsonl", "{\n", "line 1 is not valid JSON"),
        ("x.JSON", '[{"path": "a.wav", "label": "sad"}]', "only JSON lines are read, an object in each line"),
        ("x.jsonl", "[1]\n", "line 1 is not a JSON object"),
    ],
)
def test_a_bad_list_says_what_is_wrong(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelsError, match=said):
        read_labels(tmp_path / name)


def test_unreadable_lists(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="can't be read"):
        read_labels(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes("path,label\na.wav,愤怒\n".encode("gb18030"))
    with pytest.raises(LabelsError, match="not UTF-8"):
        read_labels(tmp_path / "x.csv")


def test_one_recording_twice_is_one(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("path,label\na.wav,sad\na.wav,sad\n")
    assert len(read_labels(tmp_path / "x.csv")) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", 'path,label,text\n"a\nb.wav",sad,"so\u2028what"\nc.wav,happy,\x85\n'),
        (
            "x.jsonl",
            '{"path": "a\\nb.wav", "label": "sad", "text": "so\u2028what"}\n{"path": "c.wav", "label": "happy"}',
        ),
    ],
)
def test_only_line_feeds_end_lines(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    rows = read_labels(tmp_path / name)
    assert [row.name for row in rows] == ["a\nb.wav", "c.wav"]
    assert rows[0].groups["text"] == "so\u2028what"


def test_paths_that_windows_wrote(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "a.wav").touch()
    path = tmp_path / "x.csv"
    path.write_text("path;label\ncalls\\a.wav;sad\n")
    (row,) = read_labels(path)
    assert (row.name, row.path) == ("calls\\a.wav", tmp_path / "calls" / "a.wav")


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("path,label\n" + "".join(f"{number}.wav,sad\n" for number in range(7)))
    (tmp_path / "3.wav").touch()
    with pytest.raises(
        LabelsError, match=r"6 recordings not found: 0\.wav, .*5\.wav and 1 more\. Paths are relative"
    ):
        check_exists(read_labels(path), path)


def test_groups(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("path,label,speaker,agent\na.wav,sad,x,1\nb.wav,sad,x,2\n")
    rows = read_labels(path)
    assert find_group(rows, None, path) is None  # one speaker parts nothing
    assert find_group(rows, "agent", path) == "agent"
    with pytest.raises(LabelsError, match="all 2 recordings have the speaker 'x'"):
        find_group(rows, "speaker", path)
    with pytest.raises(LabelsError, match="no column 'room'; it has speaker, agent"):
        find_group(rows, "room", path)


def test_words_for_emotions() -> None:
    assert emotion_of(" Pleasant_Surprise ") == "surprised"
    assert emotion_of("愤怒") == emotion_of("Wut") == emotion_of("ANG") == "angry"
    assert emotion_of("complaint") is None
    assert all(word == word.casefold() for word in SYNONYMS)


def test_labels_become_classes() -> None:
    path = Path("x.csv")
    nine = ("angry", "happy", "neutral", "other", "sad")
    assert to_classes(["anger", "呃", "sad"], nine, {"呃": ""}, path) == {
        "anger": "angry",
        "呃": None,
        "sad": "sad",
    }
    assert to_classes(list("WFTNL"), nine, {}, path) == dict(
        zip("WFTNL", ["angry", "happy", "sad", "neutral", "other"], strict=True)
    )
    assert to_classes(["Anger"], ("anger", "joy"), {}, path) == {"Anger": "anger"}  # a head's own words
    assert to_classes(["wut", "x"], ("anger", "joy"), {"x": "happy"}, path) == {"wut": "anger", "x": "joy"}
    with pytest.raises(
        LabelsError, match="no class for the labels 'complaint', 'x=praise'; the classes are angry"
    ):
        to_classes(["complaint", "x"], nine, {"x": "praise"}, path)
