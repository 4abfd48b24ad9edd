import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from emovox.errors import ModelError, UnknownModelError
from emovox.models import catalog, named
from emovox.models.adding import add
from emovox.models.catalog import added, find, known, remove, resolve
from emovox.models.loading import load
from emovox.models.named import CATALOG
from emovox.settings import settings
from support import tiny


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tiny.write(tmp_path / "free.onnx", name="lite-free", revision="1.0")


def test_what_is_added_is_a_model_like_any_other(file: Path) -> None:
    model = add(file)
    file.unlink()
    assert find("lite-free") is not None
    assert resolve("lite-free") == resolve("lite-free@1.0") == model.path
    assert (load("lite-free").metadata.name, load("lite-free").metadata.revision) == ("lite-free", "1.0")
    assert known()[-1].added
    remove("lite-free")
    assert added() == []
    assert [path.name for path in settings().added_models.iterdir()] == [".lock"]


def test_a_name_is_that_of_what_was_added_last(file: Path, tmp_path: Path) -> None:
    add(file)
    second = add(tiny.write(tmp_path / "2.onnx", name="lite-free", revision="2", embedding_revision="2.x"))
    assert resolve("lite-free") == resolve("lite-free@2") == resolve("lite-free@2.x") == second.path
    assert {entry.name for entry in added()} == {"lite-free", "lite-free@1.0"}
    remove("lite-free")
    assert resolve("lite-free").parent.name == "lite-free@1.0"


def test_under_another_name_it_says_that_name_itself(file: Path) -> None:
    add(file)
    add(file, "ours")
    assert load("ours").metadata.name == "ours"
    assert load("lite-free").metadata.name == "lite-free"


def test_another_revision_of_a_catalog_model_has_its_name_with_the_revision(tmp_path: Path) -> None:
    model = add(tiny.write(tmp_path / "old.onnx", name="lite", revision="3.1", embedding_revision="3"))
    assert resolve("lite") == CATALOG[0].file
    assert resolve("lite@3.1") == resolve("lite@3") == model.path
    assert [entry.name for entry in added()] == ["lite@3.1"]


def test_the_bundled_revision_and_that_of_its_embeddings_are_the_bundled_model() -> None:
    facts = load("lite").metadata
    assert resolve(f"lite@{facts.revision}") == resolve(f"lite@{facts.embeddings_of}") == CATALOG[0].file
    assert find(f"lite@{facts.revision}") is CATALOG[0]


def test_an_earlier_bundled_file_is_found_by_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = tiny.write(tmp_path / "lite.onnx", name="lite", revision="6")
    before = tiny.write(tmp_path / "lite-5.onnx", name="lite", revision="5.2", embedding_revision="5")
    tiny.write(tmp_path / "lite-free-1.onnx", name="lite-free", revision="1")
    entry = dataclasses.replace(CATALOG[0], file=now)
    for module in (catalog, named):
        monkeypatch.setattr(module, "CATALOG", (entry, *CATALOG[1:]))
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path)
    assert resolve("lite@6") == resolve("lite") == now
    assert resolve("lite@5") == resolve("lite@5.2") == before
    assert [item.name for item in known() if item.bundled] == ["lite", "lite@5.2"]
    with pytest.raises(ModelError, match="part of Emovox"):
        remove("lite@5")


def test_a_revision_that_is_not_here_says_how_to_get_it(file: Path) -> None:
    add(file)
    with pytest.raises(UnknownModelError, match=r"there is lite@.*`emovox models add FILE`"):
        resolve("lite@4")
    with pytest.raises(UnknownModelError, match=r"there is lite-free@1\.0"):
        resolve("lite-free@2")
    with pytest.raises(UnknownModelError, match="choose lite, "):
        find("nobody@2")


def test_what_is_taken_is_refused(file: Path, tmp_path: Path) -> None:
    add(file)
    with pytest.raises(ModelError, match="added already"):
        add(file)
    other = tiny.write(tmp_path / "other.onnx", name="lite-free", revision="1.0", source="another")
    with pytest.raises(ModelError, match=r"there is another lite-free 1\.0.*--name.*models remove lite-free@1\.0"):
        add(other)
    with pytest.raises(ModelError, match="part of Emovox already"):
        add(resolve("lite"))
    with pytest.raises(ModelError, match="the name of a model of the catalog"):
        add(file, "lite")


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".x", "x@1", "hf:a", "auto", "a..b", "x" * 65])
def test_unsafe_names_are_refused(file: Path, name: str) -> None:
    with pytest.raises(ModelError, match="can't be the name of a model"):
        add(file, name)
    assert not settings().added_models.exists()


def test_what_is_no_model_is_refused(file: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("nothing")
    with pytest.raises(ModelError, match="not an ONNX file"):
        add(text)
    with pytest.raises(ModelError, match="no such file"):
        add(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match="not a file"):
        add(tmp_path)
    with pytest.raises(ModelError, match="its licence"):
        add(tiny.write(tmp_path / "unknown.onnx", licence="unknown"))
    with pytest.raises(ModelError, match="its revision"):
        add(tiny.write(tmp_path / "up.onnx", revision="../1"))


def test_what_does_not_run_is_refused_and_leaves_nothing(file: Path, tmp_path: Path) -> None:
    model = onnx.load(str(file))
    for tensor in model.graph.initializer:
        if tensor.name == "mean":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full((1, 1, tiny.LEAST), np.nan, np.float32), "mean"))
    onnx.save(model, str(tmp_path / "nan.onnx"))
    with pytest.raises(ModelError, match="aren't finite"):
        add(tmp_path / "nan.onnx")
    onnx.save(onnx.load(str(file)), str(tmp_path / "beside.onnx"), save_as_external_data=True, size_threshold=0)
    with pytest.raises(ModelError, match="in a file beside it"):
        add(tmp_path / "beside.onnx")
    assert [path.name for path in settings().added_models.iterdir()] == [".lock"]


def test_what_a_killed_addition_left_is_cleared(file: Path) -> None:
    left = settings().added_models / ".lite-free@1.0.0123456789abcdef"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half")
    assert added() == []
    add(file)
    assert not left.exists()
