import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from emovox.archive import Archive, Filter
from emovox.archive.importing import import_directories
from emovox.archive.rows import position
from emovox.outputs import Outputs
from support.records import classic
from support.results import recognition


@pytest.fixture
def archive(database: str, tmp_path: Path) -> Iterator[Archive]:
    with Archive(tmp_path / "a.db") as archive:
        yield archive


def copies(root: Path, count: int) -> list[Path]:
    """As many outputs directories of one recognition, the latest first."""
    with Outputs(root).draft() as draft:
        first = draft.publish(recognition())
    others = [shutil.copytree(first, root / f"outputs_20240105_{number:06}") for number in range(1, count)]
    return [first, *others][::-1]


def listed(archive: Archive, root: Path) -> list[Path]:
    return [path for path, _, _ in archive.directories.page(root, Filter(), before=None, limit=99)]


def test_the_latest_is_first_and_numbers_count() -> None:
    names = [
        "outputs_20240104_223000",
        "outputs_20240104_223000_channel1",
        "outputs_20240104_223000_2",
        "outputs_20240104_223000_channel0_2",
        "outputs_20240104_223000_12",
        "outputs_20240104_223001",
    ]
    assert sorted(names, key=position) == names


def test_each_copy_is_listed_and_the_recognition_is_one(archive: Archive, tmp_path: Path) -> None:
    paths = copies(tmp_path / "outputs", 5)
    assert import_directories(archive, paths) == 1
    assert listed(archive, tmp_path / "outputs") == paths
    assert listed(archive, tmp_path) == []
    assert archive.stats().recognitions == 1


def test_a_recognition_stays_while_there_is_a_copy(archive: Archive, tmp_path: Path) -> None:
    paths = copies(tmp_path / "outputs", 3)
    import_directories(archive, paths)
    for count in (2, 1, 0):
        outputs = next(archive.all()).outputs
        assert outputs in paths
        assert archive.forget_outputs([outputs]) == (count == 0)
        shutil.rmtree(outputs)
        paths.remove(outputs)
        assert listed(archive, tmp_path / "outputs") == paths
        assert archive.stats().recognitions == (count > 0)


def test_a_copy_that_is_no_more_keeps_nothing(archive: Archive, tmp_path: Path) -> None:
    """What is deleted goes from the archive, though its directory was elsewhere before."""
    [path] = copies(tmp_path / "outputs", 1)
    import_directories(archive, [path])
    path.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / path.name
    import_directories(archive, [moved])
    assert archive.forget_outputs([moved]) == 1
    assert archive.is_empty()
    assert listed(archive, path.parent) == []


def test_another_recognition_in_its_place(archive: Archive, tmp_path: Path) -> None:
    path = classic(tmp_path / "outputs_20240105_000000")
    import_directories(archive, [path])
    before = archive.directories.times(tmp_path)[path.name]
    (path / "result.json").write_text('{"scores": {"sad": 1}}')
    import_directories(archive, [path])
    assert archive.directories.known(tmp_path, [path.name, "outputs_20240105_000001"]) == {path.name}
    created, modified = archive.directories.times(tmp_path)[path.name]
    assert modified == (path / "result.json").stat().st_mtime_ns
    assert (created, modified) != before
    archive.directories.drop(tmp_path, [path.name])
    assert archive.directories.times(tmp_path) == {}
    assert archive.stats().recognitions == 2
