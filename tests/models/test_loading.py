import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from emovox.errors import (
    ModelError,
    NotInstalledError,
    OptionsError,
    SettingsError,
    UnknownEmotionError,
    UnknownModelError,
)
from emovox.models.catalog import converted_path, find, snapshot_path
from emovox.models.converted.store import newest
from emovox.models.hub.published import SOURCE_FILE, SnapshotSource
from emovox.models.loading import load, mapping_of, open_snapshot
from emovox.models.metadata import Precision
from emovox.models.named import CATALOG
from emovox.settings import settings
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


# What the labels are


FOREIGN = {"rabbia": "angry", "gioia": "快乐", "paura": "fearful", "calma": "neutral", "noia": "other"}


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A model of five classes none of which is one of the nine by its name."""
    return tiny.write(tmp_path / "foreign.onnx", readouts=(tiny.FOREIGN,))


def test_the_user_says_what_labels_are(foreign: Path, tmp_path: Path) -> None:
    assert load(foreign).metadata.emotions is None
    path = tmp_path / "map.json"
    path.write_text(json.dumps(FOREIGN), encoding="utf-8")
    for mapping in (FOREIGN, path, str(path)):
        metadata = load(foreign, mapping=mapping).metadata
        assert metadata.classes == ("angry", "fearful", "happy", "neutral", "other")
    with pytest.raises(OptionsError, match="tiny has no label 'ira'"):
        load(foreign, mapping={"ira": "angry"})
    with pytest.raises(UnknownEmotionError, match="'rabbia': unknown emotion 'rage'"):
        load(foreign, mapping={"rabbia": "rage"})


def test_the_setting_is_of_the_setting_s_own_model(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(FOREIGN), encoding="utf-8")
    monkeypatch.setenv("EMOVOX_MAP", str(path))
    monkeypatch.setenv("EMOVOX_MODEL", str(foreign))
    settings.cache_clear()
    assert load(foreign).metadata.classes == ("angry", "fearful", "happy", "neutral", "other")
    assert load(str(foreign)).metadata.classes
    assert load("lite").metadata.name == "lite", "whose labels are others"
    assert load(foreign, mapping={}).metadata.emotions is None
    assert mapping_of(foreign)["gioia"] == "happy"
    assert mapping_of("emotion2vec_base") == {}
    wrong = {"[]": r"map\.json", '{"ira": "angry"}': "no label 'ira'", '{"noia": "x"}': "unknown"}
    for content, reason in wrong.items():
        path.write_text(content, encoding="utf-8")
        with pytest.raises(SettingsError, match=f"setting map: .*{reason}"):
            load(foreign)


def test_the_setting_of_auto_is_of_what_auto_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.json"
    path.write_text('{"angry": "other"}', encoding="utf-8")
    monkeypatch.setenv("EMOVOX_MAP", str(path))
    settings.cache_clear()
    assert mapping_of("auto") == mapping_of("lite") == {"angry": "other"}


# What an earlier version converted


LARGE = "emotion2vec_plus_large"


def old(name: str, key: str, precision: Precision = "fp32", age: int = 0) -> Path:
    path = converted_path(name, key * 16) / precision / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    tiny.write_old(path)
    time = path.stat().st_mtime - age
    os.utime(path, (time, time))
    return path


def test_a_conversion_whose_snapshot_is_gone_runs_and_says_so() -> None:
    for name in (LARGE, "hf:some/model"):
        with pytest.raises(NotInstalledError):
            load(name)
        old(name, "a", age=100)
        latest = old(name, "b")
        said: list[str] = []
        engine = load(name, notice=said.append)
        assert engine.path == latest
        assert engine.metadata.classes == ("angry", "happy", "sad")
        assert said == [
            f"the snapshot of {name} is gone: what was converted of it under contract 1 is used. "
            f"To convert it again, run `emovox models pull {name}` and give this name"
        ]
        with pytest.raises(NotInstalledError):
            load(name, precision="int8")


def test_of_a_conversion_whose_snapshot_is_gone_the_best_precision_runs() -> None:
    whole, half = old(LARGE, "a"), old(LARGE, "a", "fp16")
    assert load(LARGE).path == whole
    assert newest(LARGE, "fp16") == half
    assert newest(LARGE, "bf16") == whole
    trials = [
        {"precision": name, "engine": "openvino", "seconds": seconds, "error": 0, "agreement": 1}
        for name, seconds in [("fp32", 2), ("fp16", 1)]
    ]
    comparison = whole.parents[1] / "comparison.json"
    comparison.write_text(json.dumps({"machine": "another", "trials": trials}), encoding="utf-8")
    assert load(LARGE).path == half
    half.unlink()
    assert load(LARGE).path == whole


def test_a_new_conversion_whose_snapshot_is_gone(tmp_path: Path) -> None:
    directory = snapshots.write(snapshot_path(LARGE), WIDE)
    path = load(LARGE, precision="fp32").path
    shutil.rmtree(directory)
    said: list[str] = []
    assert load(LARGE, notice=said.append).path == path
    [line] = said
    assert "contract" not in line


def test_a_file_of_contract_1_runs_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny.write_old(tmp_path / "old.onnx")
    said: list[str] = []
    assert load(path, notice=said.append).metadata.classes == ("angry", "happy", "sad")
    assert said == [
        f"{path} was converted under contract 1, and runs as ever. To convert it again, give the directory of its "
        "snapshot"
    ]
    said.clear()
    load(tiny.write(tmp_path / "new.onnx"), notice=said.append)
    bundled = [replace(entry, file=path) if entry.name == "lite" else entry for entry in CATALOG]
    monkeypatch.setattr("emovox.models.catalog.CATALOG", tuple(bundled))
    monkeypatch.setattr("emovox.models.loading.CATALOG", tuple(bundled))
    load("lite", notice=said.append)
    assert said == []
