import io
from pathlib import Path
from typing import Any

import pytest

from emovox.audio import lists
from emovox.errors import LabelsError


def read(text: str | bytes, name: str = "x.csv") -> list[dict[str, str]]:
    data = text.encode() if isinstance(text, str) else text
    return list(lists.rows(io.BufferedReader(io.BytesIO(data)), name))


ROW = [{"path": "a b.wav", "label": "愤怒"}]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na b.wav,愤怒\n",
        "\ufeffpath;label\r\na b.wav;愤怒",
        " path , label \n a b.wav , 愤怒 \n",
        'path, label\n"a b.wav", "愤怒"\n',
        "\n\npath\tlabel\n\na b.wav\t愤怒\n\n",
        "path\tlabel\ra b.wav\t愤怒\r",
        "path,label\na b.wav,愤怒,and,more\n",
        '"path",label,\n"a b.wav",愤怒,\n',
        "path;label\na b.wav;愤怒\n".encode("utf-16"),
    ],
)
def test_tables_of_any_hand(text: str | bytes) -> None:
    assert read(text) == ROW


@pytest.mark.parametrize(
    ("heading", "cells"),
    [("path", "a,b;c.wav"), ("path\tlabel, if any, or none", "a,b;c.wav\tx"), ('path;"a,b,c"', "a,b;c.wav")],
)
def test_the_heading_says_what_parts_cells(heading: str, cells: str) -> None:
    assert read(f"{heading}\n{cells}\n")[0]["path"] == ("a,b" if ";" in heading else "a,b;c.wav")


def test_json_lines() -> None:
    text = '{" path": " a b.wav ", "label": "愤怒"}\r\n\n{"path": null, "n": 5}\n'
    assert read(text, "x.NDJSON") == [*ROW, {"path": "", "n": "5"}]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "path\n愤怒.wav\n".encode("gb18030"), "x.csv: not UTF-8 text"),
        ("x.csv", f"path\n{200_000 * 'x'}\n", "not valid CSV after line 1: field larger"),
        ("x.jsonl", '{"path": "a"}\n{"pa', "line 2 is not valid JSON: "),
        ("x.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("x.jsonl", 100_000 * "[", "line 1 is not valid JSON: "),
    ],
)
def test_what_can_not_be_read_is_named(name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(LabelsError, match=said):
        read(text, name)


def test_a_disk_that_fails_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(LabelsError, match=r"x\.csv: can't be read: Input/output error"):
        list(lists.rows(io.BufferedReader(Failing()), "x.csv"))


def test_columns() -> None:
    assert lists.column(["Path", "path"], None, lists.COLUMNS, "x") == "path"
    assert lists.column(["label", " FILE "], None, lists.COLUMNS, "x") == " FILE "
    assert lists.column(["path", "call"], "Call", lists.COLUMNS, "x") == "call"
    with pytest.raises(LabelsError, match="x: no column 'y'; it has path"):
        lists.column(["path"], "y", lists.COLUMNS, "x")


def test_recordings_are_seen_from_the_list(tmp_path: Path) -> None:
    for name in ("a.wav", "odd\\name.wav", "calls/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert lists.locate(tmp_path, "calls\\b.wav") == tmp_path / "calls/b.wav"
    assert lists.locate(tmp_path, "odd\\name.wav") == tmp_path / "odd\\name.wav"
    assert lists.locate(tmp_path, "/x/a.wav") == Path("/x/a.wav")
    assert lists.locate(tmp_path, (tmp_path / "a.wav").as_uri()) == tmp_path / "a.wav"
    assert lists.locate(tmp_path, f"{5000 * 'x'}\\a.wav") == tmp_path / f"{5000 * 'x'}/a.wav"
