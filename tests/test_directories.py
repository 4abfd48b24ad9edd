import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emovox import directories
from support.depths import sink, too_deep


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b", "a", ".hidden", "sub/c", "sub/deep/d", "sub/.git/e", "other/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def steep(tmp_path: Path) -> Iterator[Path]:
    """A tree that is too deep for a recursion, and for what may be open at once."""
    sink(tmp_path, "x", 1200)
    yield tmp_path
    subprocess.run(["/bin/rm", "-rf", tmp_path / "x"], check=True)  # which pytest can't: it would be a recursion


def refuse(path: Path, reason: str) -> None:
    raise AssertionError((path, reason))


def below(root: Path, failed: directories.Failed = refuse) -> list[str]:
    return [path.relative_to(root).as_posix() for path in directories.files(root, failed)]


def matched(root: Path, pattern: str, failed: directories.Failed = refuse) -> list[str]:
    found = directories.glob(root / pattern, failed)
    return [path.relative_to(root).as_posix() + "/" * folder for path, folder in found]


def test_files_are_sorted_and_hidden_ones_left_out(tree: Path) -> None:
    assert below(tree) == ["a", "b", "other/c", "sub/c", "sub/deep/d"]
    assert list(directories.files(tree / "none", refuse)) == []
    without = directories.files(tree, refuse, enters=lambda folder: folder.name != "sub")
    assert [path.name for path in without] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["a", "b", "other/", "sub/"]),
        (".h*", [".hidden"]),
        ("**", ["./"]),
        ("sub/**", ["sub/"]),
        ("**/c", ["other/c", "sub/c"]),
        ("**/**/d*", ["sub/deep/", "sub/deep/d"]),
        ("s*/[cx]", ["sub/c"]),
        ("?ub/*/d", ["sub/deep/d"]),
        ("**/sub/**", ["sub/"]),
        ("*/none", []),
        ("none/*", []),
        ("a/*", []),
    ],
)
def test_patterns(tree: Path, pattern: str, names: list[str]) -> None:
    assert matched(tree, pattern) == names


def test_links_are_followed_by_their_names_alone(tree: Path) -> None:
    (tree / "sub/up").symlink_to(tree)
    (tree / "link").symlink_to("a")
    (tree / "gone").symlink_to("nothing")
    assert below(tree) == ["a", "b", "gone", "link", "other/c", "sub/c", "sub/deep/d"]
    assert matched(tree, "**/c") == ["other/c", "sub/c"]
    assert matched(tree, "sub/u*/a") == ["sub/up/a"]


def test_what_can_not_be_read_costs_itself_alone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", denied)
    failures: list[tuple[Path, str]] = []
    assert below(tree, lambda *told: failures.append(told)) == ["a", "b", "other/c"]
    assert matched(tree, "**/c", lambda *told: failures.append(told)) == ["other/c"]
    assert matched(tree, "*/c", lambda *told: failures.append(told)) == ["other/c"]
    assert failures == 3 * [(tree / "sub", "Permission denied")]


def test_too_deep_and_in_circles(tree: Path) -> None:
    (tree / "circle").symlink_to("circle")
    (tree / "circle.wav").symlink_to("circle.wav")
    last = too_deep(tree)
    failures: list[tuple[Path, str]] = []
    assert below(tree, lambda *told: failures.append(told)) == [
        "a", "b", "circle.wav", "other/c", "sub/c", "sub/deep/d"
    ]  # fmt: skip
    assert sorted(failures) == [
        (tree / "circle", "Too many levels of symbolic links"),
        (last, "File name too long"),
    ]


def test_no_depth_is_a_recursion(steep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = most = 0
    scandir = os.scandir

    class Counted:
        def __init__(self, path: Any) -> None:
            nonlocal opened, most
            self._entries = scandir(path)
            opened += 1
            most = max(most, opened)

        def __enter__(self) -> Any:
            return self._entries

        def __exit__(self, *_: object) -> None:
            nonlocal opened
            opened -= 1
            self._entries.close()

    monkeypatch.setattr("os.scandir", Counted)
    streamed = directories.walk(lambda name: directories.scan(steep / name), enters=lambda _: True)
    assert [Path(str(found)).name for found in streamed] == ["deepest.wav", "result.json"]
    assert most < 100
    assert [Path(name).name for name in below(steep)] == ["deepest.wav", "result.json"]
    assert len(matched(steep, "**/*.wav")) == 1
