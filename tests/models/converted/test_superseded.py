import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.catalog import converted_path
from emovox.models.converted.store import StoredModel
from emovox.models.runtime.engine import Engine
from support import snapshots, tiny

Open = Callable[[Path], StoredModel]


@pytest.fixture
def open_model() -> Open:
    return lambda directory: StoredModel(directory, name="wide", revision="r1", licence="MIT")


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return snapshots.write(tmp_path / "wide", snapshots.tiny())


def superseded(model: StoredModel, key: str, **changes: str) -> Path:
    """A conversion of the same weights by an earlier version."""
    path = converted_path(model.name, key * 16) / "fp32" / "model.onnx"
    path.parent.mkdir(parents=True)
    tiny.write_old(path)
    facts = {"emovox.source_sha256": model.checksum, "emovox.revision": model.revision, **changes}
    loaded = onnx.load(str(path))
    properties = {item.key: item.value for item in loaded.metadata_props}
    del loaded.metadata_props[:]
    onnx.helper.set_model_props(loaded, {**properties, **facts})
    onnx.save(loaded, str(path))
    return path.parents[1]


def test_what_a_new_conversion_supersedes_is_removed_once_it_is_there(
    open_model: Open, wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = open_model(wide)
    old = superseded(model, "a")
    others = [
        superseded(model, "b", **{"emovox.source_sha256": "0" * 64}),
        superseded(model, "c", **{"emovox.revision": "r2"}),
        superseded(model, "d"),
    ]
    with monkeypatch.context() as patched:
        patched.setattr("emovox.models.converted.store.convert", fail)
        with pytest.raises(ModelError):
            model.file("fp32")
    assert old.exists(), "as nothing has come of it yet"
    with FileLock(others[-1] / "lock"):  # as of one that converts there
        path = model.file("fp32")
    assert not old.exists()
    assert all(directory.exists() for directory in others)
    assert sorted(path.name for path in old.parent.iterdir()) == sorted(
        path.name for path in (*others, model.directory)
    )
    assert path.exists()
    again = superseded(model, "e")
    model.file("fp32")
    assert again.exists(), "an earlier version that converts it again keeps it"


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be removed there, and stays")
def test_a_model_that_is_loaded_runs_on_when_its_file_is_removed(
    open_model: Open, wide: Path, speech: NDArray[np.float32]
) -> None:
    first = open_model(wide)
    runner = Engine(first.file("fp32"), engine="openvino")
    [before] = runner.run([speech])
    (wide / "tokens.txt").write_text((wide / "tokens.txt").read_text().replace("<unk>", "unuse_0"))
    open_model(wide).file("fp32")
    assert not first.directory.exists()
    [after] = runner.run([speech])
    assert after.embedding.tobytes() == before.embedding.tobytes()


def fail(*_: object, **__: object) -> None:
    raise ModelError("the disk is full")
