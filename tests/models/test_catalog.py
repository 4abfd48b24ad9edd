from pathlib import Path

import pytest

from emovox.errors import ModelError, UnknownModelError
from emovox.models.catalog import CATALOG, resolve


def test_names_and_auto_give_files_that_exist() -> None:
    assert resolve("auto") == resolve("lite")
    assert all(resolve(entry.name).is_file() for entry in CATALOG)


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.touch()
    assert resolve(file) == resolve(str(file)) == file


def test_anything_else_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="unknown model 'large': choose auto, lite"):
        resolve("large")
    (tmp_path / "model.pt").touch()
    for path in (tmp_path, tmp_path / "model.pt"):
        with pytest.raises(ModelError, match="no model"):
            resolve(path)
