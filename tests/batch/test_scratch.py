import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emovox.batch import scratch as module
from emovox.batch.scratch import scratch


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_and_what_dead_ones_left_goes(root: Path) -> None:
    (root / "emovox-batch-dead").mkdir()
    (root / "emovox-batch-dead" / "wave").touch()
    (root / "emovox-batch-dead.lock").touch()
    with scratch() as place, scratch() as other:
        assert place.is_dir()
        assert other.is_dir()
        assert not (root / "emovox-batch-dead").exists()
    assert os.listdir(root) == []  # noqa: PTH208


def test_one_that_begins_is_not_cleared_by_another(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one clears at the worst moment: between the first one's directory and what comes next."""
    mkdir = Path.mkdir
    cleared: list[Path] = []

    def slow(path: Path, mode: int = 0o777, **options: bool) -> None:
        mkdir(path, mode, **options)
        if not cleared and path != root:
            cleared.append(path)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(lambda: module.scratch().__enter__()).result()

    monkeypatch.setattr(Path, "mkdir", slow)
    with scratch() as place:
        assert cleared == [place]
        assert place.is_dir()
