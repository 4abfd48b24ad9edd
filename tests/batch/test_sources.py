import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emovox.batch.sources import BAD_NAME, RowReader, find
from emovox.batch.tasks import Failed, Item
from emovox.errors import BatchError
from support.depths import too_deep


def names(source: object, column: str | None = None) -> list[str]:
    found = list(find(str(source), column))
    assert all(isinstance(item, Item) for item in found)
    return sorted(item.path for item in found)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.MP3", "notes.txt", ".hidden.wav", "sub/c.opus", "sub/deep/d.wav", ".git/e.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    outputs = tmp_path / "outputs_20240104_223000"
    outputs.mkdir()
    (outputs / "processed_audio.wav").touch()
    (outputs / "result.json").touch()
    return tmp_path


def test_a_directory_is_searched(tree: Path) -> None:
    assert names(tree) == [f"{tree}/{name}" for name in ("a.wav", "b.MP3", "sub/c.opus", "sub/deep/d.wav")]
    assert names(tree / "sub") == [f"{tree}/sub/c.opus", f"{tree}/sub/deep/d.wav"]


def test_names_stay_as_they_were_given(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert names("sub") == ["sub/c.opus", "sub/deep/d.wav"]
    assert names("sub/*.opus") == ["sub/c.opus"]
    assert names("*.wav") == ["a.wav"]
    assert names("a.wav") == ["a.wav"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.wav", ["a.wav"]),
        ("*", ["a.wav", "b.MP3", "notes.txt", "sub/c.opus", "sub/deep/d.wav"]),
        ("**/*.wav", ["a.wav", "sub/deep/d.wav"]),
        ("sub/**/*.wav", ["sub/deep/d.wav"]),
        ("s?b/*.op[ux]s", ["sub/c.opus"]),
        ("**/deep/*", ["sub/deep/d.wav"]),
        ("s*/", ["sub/c.opus", "sub/deep/d.wav"]),
        ("**", ["a.wav", "b.MP3", "sub/c.opus", "sub/deep/d.wav"]),
        ("sub/**", ["sub/c.opus", "sub/deep/d.wav"]),
    ],
)
def test_globs(tree: Path, pattern: str, found: list[str]) -> None:
    assert [name for name in names(tree / pattern) if "outputs_" not in name] == [
        f"{tree}/{name}" for name in found
    ]


def test_a_search_goes_into_no_outputs_directory(tree: Path) -> None:
    """Or a batch whose output lies where it searches would hear what it makes."""
    assert names(tree / "**/*.wav") == [f"{tree}/a.wav", f"{tree}/sub/deep/d.wav"]
    outputs = tree / "outputs_20240104_223000"
    assert names(tree / "outputs_*/*.wav") == names(outputs) == [f"{outputs}/processed_audio.wav"]


def test_links_lead_into_no_circle(tree: Path) -> None:
    (tree / "sub/up").symlink_to(tree)
    (tree / "sub/here").symlink_to(".")
    (tree / "self.wav").symlink_to("self.wav")
    (tree / "link.wav").symlink_to("a.wav")
    found = ["a.wav", "b.MP3", "link.wav", "self.wav", "sub/c.opus", "sub/deep/d.wav"]
    assert names(tree) == [f"{tree}/{name}" for name in found]
    assert names(tree / "**/*.opus") == [f"{tree}/sub/c.opus"]
    assert names(tree / "sub/up") == [f"{tree}/sub/up/{name}" for name in found]  # which was asked for


def test_a_directory_that_can_not_be_read_costs_itself(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: str) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", denied)
    found = sorted(item.path for item in find(str(tree)))
    assert found == [f"{tree}/{name}" for name in ("a.wav", "b.MP3", "sub/c.opus", "sub/deep")]
    assert [item for item in find(str(tree)) if isinstance(item, Failed)] == [
        Failed(f"{tree}/sub/deep", "Permission denied")
    ]
    for pattern in ("**/*.wav", "sub/*/*.wav", "**/sub/*/*.wav", "sub/*"):
        assert Failed(f"{tree}/sub/deep", "Permission denied") in list(find(f"{tree}/{pattern}"))


def test_a_directory_that_is_too_deep_costs_itself(tree: Path) -> None:
    last = too_deep(tree)
    (tree / "circle").symlink_to("circle")
    unreadable = [Failed(str(last), "File name too long"),
                  Failed(f"{tree}/circle", "Too many levels of symbolic links")]  # fmt: skip
    for source, count in ((tree, 4), (tree / "**/*.wav", 2)):
        found = list(find(str(source)))
        assert sorted((item for item in found if isinstance(item, Failed)), key=lambda item: item.path) == sorted(
            unreadable, key=lambda item: item.path
        )
        assert sum(isinstance(item, Item) for item in found) == count
    for source, reason in ((last, "File name too long"), (tree / "circle", "in a circle")):
        with pytest.raises(BatchError, match=reason):
            find(str(source))


def test_a_source_that_can_not_be_read_at_all(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", denied)
    for source in (tree, tree / "*.wav"):
        with pytest.raises(BatchError, match=f"{tree}: Permission denied"):
            list(find(str(source)))


def test_addresses_of_files(tree: Path) -> None:
    assert names(f"file://{tree}/sub") == [f"{tree}/sub/c.opus", f"{tree}/sub/deep/d.wav"]
    assert names(f"file://{tree}/sub/*.opus") == [f"{tree}/sub/c.opus"]
    (tree / "list.csv").write_text(f"path\nfile://{tree}/a.wav\n")
    assert names(tree / "list.csv") == [f"{tree}/a.wav"]
    odd = tree / "安 100%25 #1.wav"
    odd.touch()
    for address in (odd.as_uri(), odd.as_uri().replace("file://", "file://localhost")):
        assert names(address) == [str(odd)]
        (tree / "list.csv").write_text(f"path\n{address}\n")
        assert names(tree / "list.csv") == [str(odd)]


def test_nothing_there(tree: Path) -> None:
    for source, reason in (
        (tree / "no", "no such file"),
        (tree / "*.ogg", "nothing matches"),
        ("", "name is empty"),
    ):
        with pytest.raises(BatchError, match=reason):
            list(find(str(source)))
    with pytest.raises(BatchError, match="--column is for a manifest"):
        find(str(tree), "path")


def write(kind: str, place: Path, rows: list[dict[str, Any]]) -> Path:
    path = place / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", "utf-8")
    else:
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\ufeff" + "\r\n".join(lines), "utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_manifests_name_paths_and_addresses(tmp_path: Path, kind: str) -> None:
    rows = [{"id": 1, "path": "a.wav"}, {"id": 2, "path": "s3://bucket/安.wav"}, {"id": 3, "path": "/abs/c.wav"}]
    manifest = write(kind, tmp_path, rows)
    expected = ["/abs/c.wav", str(tmp_path / "a.wav"), "s3://bucket/安.wav"]
    assert names(manifest) == expected
    assert names(manifest, "path") == expected
    with pytest.raises(BatchError, match=r"no column 'call'; it has id, path: choose with --column"):
        list(find(str(manifest), "call"))
    with pytest.raises(BatchError, match="no column of path, file"):
        list(find(str(write(kind, tmp_path, [{"call": "a.wav"}]))))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("excel.csv", "\ufeffName; Path ;Label\r\nx; calls\\a.wav ;angry\r\n\r\n".encode()),
        ("tabs.csv", b"Recording\tNote\ncalls/a.wav\tone, two\n"),
        ("tabs.tsv", b"id\tFile, as found, today\tWAV\n1\tx\tcalls/a.wav\n"),
        ("unicode.txt", "Filename\tLabel\r\ncalls\\a.wav\t愤怒\r\n".encode("utf-16")),
        ("windows.jsonl", b'{" Path": " calls\\\\a.wav "}\n'),
        ("whatever", b"call\ncalls/a.wav\n"),
    ],
)
def test_lists_that_evaluate_reads(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls/a.wav").touch()
    (tmp_path / name).write_bytes(content)
    assert names(tmp_path / name, "CALL" if name == "whatever" else None) == [f"{tmp_path}/calls/a.wav"]


def test_a_table_has_its_columns_whatever_their_case(tmp_path: Path) -> None:
    pq.write_table(pa.table({"Path": ["a.wav"]}), tmp_path / "x.parquet")
    assert names(tmp_path / "x.parquet") == names(tmp_path / "x.parquet", " path") == [f"{tmp_path}/a.wav"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_row_without_a_path_fails_alone(tmp_path: Path, kind: str) -> None:
    manifest = write(
        kind, tmp_path, [{"id": 1, "path": "a.wav"}, {"id": 2, "path": ""}, {"id": 3, "path": "b.wav"}]
    )
    first, bad, last = find(str(manifest))
    assert isinstance(first, Item)
    assert isinstance(last, Item)
    assert bad == Failed(f"{manifest}#1", "no path in the column path")


def test_broken_manifests_are_named(tmp_path: Path) -> None:
    for name, content, reason in (
        ("x.jsonl", b'{"path": "a"}\n{"pa', "line 2 is not valid JSON"),
        ("y.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("x.csv", b"path\n\xff\xfe\n", "not UTF-8 text"),
        ("x.parquet", b"nothing", "not a Parquet file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BatchError, match=reason):
            list(find(str(tmp_path / name)))
    pq.write_table(pa.table({"path": [1, 2]}), tmp_path / "x.parquet")
    with pytest.raises(BatchError, match="neither text nor bytes"):
        list(find(str(tmp_path / "x.parquet")))
    pq.write_table(pa.Table.from_pylist([{"audio": {"samples": 1}}]), tmp_path / "x.parquet")
    with pytest.raises(BatchError, match="neither text nor bytes"):
        list(find(str(tmp_path / "x.parquet")))


def test_cells_beyond_the_heading_are_no_column(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,call\n1,a.wav,note\n")
    assert names(tmp_path / "x.csv", "call") == [str(tmp_path / "a.wav")]
    with pytest.raises(BatchError, match="it has id, call: choose with --column"):
        names(tmp_path / "x.csv")


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int32(), pa.string()), pa.large_string()])
def test_text_of_any_kind_names_paths(tmp_path: Path, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"path": pa.array(["a.wav", "b.wav"]).cast(kind)}), tmp_path / "x.parquet")
    assert names(tmp_path / "x.parquet") == [f"{tmp_path}/a.wav", f"{tmp_path}/b.wav"]


@pytest.mark.parametrize("kind", [pa.binary_view(), pa.dictionary(pa.int32(), pa.binary()), pa.large_binary()])
def test_bytes_of_any_kind_are_read(tmp_path: Path, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"audio": pa.array([b"one", b"two"]).cast(kind)}), tmp_path / "x.parquet")
    first, second = find(str(tmp_path / "x.parquet"))
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    reader = RowReader()
    assert [reader.read(first), reader.read(second)] == [b"one", b"two"]


@pytest.mark.parametrize("shape", [lambda data: data, lambda data: {"bytes": data, "path": None}])
def test_bytes_are_read_row_by_row(tmp_path: Path, shape: Callable[[bytes], Any]) -> None:
    contents = [f"sound {number}".encode() for number in range(100)]
    table = pa.Table.from_pylist([{"audio": shape(data)} for data in contents])
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=30)
    items = list(find(str(tmp_path / "x.parquet")))
    assert [item.path for item in items] == [f"{tmp_path}/x.parquet#{number}" for number in range(100)]
    reader = RowReader()
    for number in (*range(100), 31, 30, 99, 5):
        item = items[number]
        assert isinstance(item, Item)
        assert reader.read(item) == contents[number]


def test_a_struct_without_bytes_names_paths(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([{"audio": {"path": "a.wav", "n": 1}}]), tmp_path / "x.parquet")
    assert names(tmp_path / "x.parquet") == [str(tmp_path / "a.wav")]


def test_paths_stand_in_where_a_row_group_has_no_bytes(tmp_path: Path) -> None:
    rows = [{"bytes": None, "path": f"{number}.wav"} for number in range(4)] + [{"bytes": b"x", "path": "4.wav"}]
    pq.write_table(
        pa.Table.from_pylist([{"audio": row} for row in rows]), tmp_path / "x.parquet", row_group_size=2
    )
    assert names(tmp_path / "x.parquet") == [
        *(str(tmp_path / f"{number}.wav") for number in range(4)),
        f"{tmp_path}/x.parquet#4",
    ]


def test_a_name_that_no_table_can_hold(tmp_path: Path) -> None:
    name = b"x\xff.wav"
    (tmp_path / name.decode(errors="surrogateescape")).touch()
    (found,) = find(str(tmp_path))
    assert found == Failed(f"{tmp_path}/x\\udcff.wav", BAD_NAME)


@pytest.mark.parametrize(
    ("name", "content", "instead"),
    [
        ("call.TextGrid", "", "the recordings, or a list of them"),
        ("call.eaf", "", "the recordings, or a list of them"),
        ("call.txt", "0.5\t1.25\tangry\n", "the recordings, or a list of them"),
        ("db.yaml", "", "one of its tables"),
    ],
)
def test_annotations_are_refused(tmp_path: Path, name: str, content: str, instead: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BatchError, match=f"{name}: .*: it is about stretches of recordings, .*: name {instead}"):
        list(find(str(tmp_path / name)))
