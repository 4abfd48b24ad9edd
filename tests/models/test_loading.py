from pathlib import Path

import pytest

from emovox.errors import ModelError, NotInstalledError, UnknownModelError
from emovox.models.catalog import find, snapshot_path
from emovox.models.hub.published import SOURCE_FILE, SnapshotSource
from emovox.models.loading import load, open_snapshot
from support import snapshots, tiny

WIDE = snapshots.tiny({"embed_dim": 256}, {"conv_pos_groups": 4})


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))


def test_auto_is_large_where_it_is_on_disk_and_the_bundled_model_otherwise() -> None:
    assert load("auto").metadata.name == "lite"
    snapshots.write(snapshot_path("emotion2vec_plus_large"), snapshots.tiny())
    facts = load("auto", precision="fp32").metadata
    assert facts.name == "emotion2vec_plus_large"
    assert facts.licence == find("emotion2vec_plus_large").licence.name
    assert load("lite").metadata.name == "lite"


def test_a_model_that_is_not_on_disk_gives_the_command_to_run() -> None:
    with pytest.raises(NotInstalledError, match="run `emovox models pull emotion2vec_plus_base`"):
        load("emotion2vec_plus_base")
    with pytest.raises(UnknownModelError, match="auto, lite, emotion2vec_plus_large"):
        load("emotion3vec")


def test_a_snapshot_by_its_path_in_the_best_precision(tmp_path: Path) -> None:
    said: list[str] = []
    place = snapshots.write(tmp_path / "mine", WIDE)
    engine = load(place, notice=said.append)
    assert engine.metadata.name == "mine"
    assert engine.precision == open_snapshot(place).comparison().best  # type: ignore[union-attr]
    assert any("trying mine in int8" in line for line in said)
    said.clear()
    assert load(str(place), notice=said.append).precision == engine.precision
    assert said == [], "the second start has nothing to do"
    assert load(place, precision="int8").metadata.precision == "int8"


def test_a_file_has_its_own_precision(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "tiny.onnx")
    assert load(path).precision == load(path, precision="fp32").precision == "fp32"
    with pytest.raises(ModelError, match="is fp32 and can't be computed in int8"):
        load(path, precision="int8")
    for wrong in (tmp_path / "model.pt", tmp_path / "empty"):
        wrong.touch() if wrong.suffix else wrong.mkdir()
        with pytest.raises(ModelError, match=r"not a model|not a snapshot"):
            load(wrong)


def test_arithmetic_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_ENGINE", "onnxruntime")
    place = snapshots.write(tmp_path / "mine", WIDE)
    with pytest.raises(ModelError, match="bf16 can't be computed on this machine: choose fp32, int8"):
        load(place, precision="bf16")


def test_a_pulled_snapshot_says_its_commit(tmp_path: Path) -> None:
    place = snapshots.write(tmp_path / "mine", WIDE)
    assert open_snapshot(place).revision == "unknown"
    facts = {"repository": "a/b", "address": "https://example.org", "pulled": "2024-01-04T22:30:00Z", "files": ()}
    for commit, revision in [("c0ffee", "c0ffee"), (None, "main")]:
        source = SnapshotSource(hub="huggingface", revision="main", commit=commit, **facts)
        (place / SOURCE_FILE).write_text(source.model_dump_json())
        assert open_snapshot(place).revision == revision
