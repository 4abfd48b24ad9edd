import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox import files


@given(st.binary(max_size=100), st.sampled_from([0, 1, 2**20 - 1, 2**20, 2**21 + 5]))
def test_a_digest_is_of_every_byte(tmp_path_factory: pytest.TempPathFactory, content: bytes, more: int) -> None:
    path = tmp_path_factory.mktemp("digest") / "x"
    path.write_bytes(content + bytes(more))
    assert files.digest(path) == hashlib.sha256(content + bytes(more)).hexdigest()


def test_what_is_written_is_whole_and_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    states: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: states.append(path.exists()))
    files.write(path, b"a", durable=False)
    assert states == []
    path.unlink()
    files.write(path, b"new")
    assert states == [False]
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"new")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("x", b"old")]


@pytest.mark.parametrize("old", [False, True])
def test_a_directory_is_replaced(tmp_path: Path, old: bool) -> None:
    place, draft = tmp_path / "model", tmp_path / "draft"
    for directory in [draft, *([place] if old else [])]:
        directory.mkdir()
        (directory / directory.name).write_text("x")
    (tmp_path / ".model.old").mkdir()  # a kill left it
    files.replace_directory(draft, place)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in place.iterdir()] == ["draft"]
