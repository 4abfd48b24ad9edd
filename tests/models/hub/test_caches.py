import json
import shutil
from pathlib import Path

import pytest

from emovox.cli import main
from emovox.errors import ModelError, NotInstalledError
from emovox.models import catalog
from emovox.models.catalog import find, found, installed, resolve, snapshot_path
from emovox.models.hub import caches
from emovox.models.loading import load, open_snapshot
from emovox.models.repository import Repository
from support import snapshots, wav2vec2_snapshots
from support.hub import Hub

COMMIT = "6c303ba987b86b93193de93e34bb2b077a6bedc4"
LARGE = "emotion2vec_plus_large"


def in_huggingface(source: Path, repository: str, cache: Path, *, commit: str = COMMIT, ref: str = "main") -> Path:
    """Lay a snapshot out as huggingface_hub does: links to blobs."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / commit
    for path in source.rglob("*"):
        if path.is_file():
            blob = folder / "blobs" / f"{len(list(folder.glob('blobs/*'))):040}"
            blob.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blob)
            link = snapshot / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    if ref:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(commit, encoding="ascii")
    return snapshot


@pytest.fixture
def superb(tmp_path: Path) -> Path:
    config = wav2vec2_snapshots.tiny(labels=wav2vec2_snapshots.SUPERB)
    folder = wav2vec2_snapshots.write(tmp_path / "published", config)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "variable", ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HOME"]
)
def test_the_cache_is_where_its_variables_say(
    superb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("HF_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    below = {"HF_HOME": "hub", "XDG_CACHE_HOME": "huggingface/hub", "HOME": ".cache/huggingface/hub"}
    snapshot = in_huggingface(superb, "some/model", tmp_path / "there" / below.get(variable, ""))
    assert resolve("hf:some/model") == snapshot


def test_a_snapshot_of_huggingface_is_found_and_not_downloaded(
    superb: Path, tmp_path: Path, served: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = in_huggingface(superb, "some/model", tmp_path / "huggingface" / "hub")
    before = sorted(str(path) for path in snapshot.parents[2].rglob("*"))
    entry = find("hf:some/model")
    assert installed(entry.name)
    assert found() == [entry]
    assert entry.licence.name == "mit"
    said: list[str] = []
    engine = load(entry.name, precision="fp32", notice=said.append)
    assert said[0] == f"hf:some/model: found in Hugging Face's cache, not downloaded: {snapshot}"
    assert (engine.metadata.name, engine.metadata.revision, engine.metadata.licence) == (entry.name, COMMIT, "mit")
    said.clear()
    load(entry.name, precision="fp32", notice=said.append)
    assert said == []
    for arguments in (["list"], ["pull", entry.name], ["show", entry.name], ["remove", entry.name, "--yes"]):
        with pytest.raises(SystemExit) as caught:
            main(["models", *arguments])
        assert caught.value.code == 0
    out = capsys.readouterr().out
    assert f"hf:some/model is in Hugging Face's cache, {snapshot}: found, not downloaded" in out
    assert next(line for line in out.splitlines() if line.startswith("hf:some/model ")).split()[1] == "found"
    assert served.requests == []
    assert sorted(str(path) for path in snapshot.parents[2].rglob("*")) == before, "it is another program's"
    assert load(snapshot, precision="fp32").metadata.name == entry.name


def test_the_catalog_s_models_are_found_by_their_own_names(superb: Path, tmp_path: Path) -> None:
    name = "wav2vec2-base-superb-er"
    in_huggingface(superb, f"superb/{name}", tmp_path / "huggingface" / "hub")
    assert installed(name)
    assert found() == []
    engine = load(name, precision="fp32")
    assert engine.metadata.classes == ("angry", "happy", "neutral", "sad")
    assert engine.metadata.corpora == ("IEMOCAP",)
    pulled = snapshot_path(name)
    shutil.copytree(superb, pulled)
    assert resolve(name) == pulled, "what was pulled goes before"


@pytest.mark.parametrize("folder", ["hub/models/iic", "models/iic", "hub/iic", "iic"])
def test_large_of_funasr_s_users(tmp_path: Path, folder: str) -> None:
    place = snapshots.write(tmp_path / "modelscope" / folder / LARGE)
    assert resolve(LARGE) == resolve("auto") == place
    stored = open_snapshot(place)
    assert (stored.name, stored.revision, stored.licence) == (LARGE, "unknown", "FunASR model licence")
    assert load("auto", precision="fp32").metadata.name == LARGE


def test_the_default_of_modelscope(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELSCOPE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = snapshots.write(tmp_path / "home/.cache/modelscope/hub/models/some/model-1___5")
    assert resolve("ms:some/model-1.5") == place
    assert [entry.name for entry in found()] == ["ms:some/model-1.5"]


def test_revisions(superb: Path, tmp_path: Path) -> None:
    cache = tmp_path / "huggingface" / "hub"
    other = "a" * 40
    in_huggingface(superb, "some/model", cache)
    place = in_huggingface(superb, "some/model", cache, commit=other, ref="v2")
    assert resolve("hf:some/model").name == COMMIT
    assert resolve("hf:some/model@v2") == resolve(f"hf:some/model@{other}") == place
    assert open_snapshot(place).name == f"hf:some/model@{other}"
    with pytest.raises(NotInstalledError):
        resolve("hf:some/model@v3")


def test_what_is_not_whole_is_not_found(superb: Path, tmp_path: Path) -> None:
    snapshot = in_huggingface(superb, "some/model", tmp_path / "huggingface" / "hub")
    (snapshot / "model.safetensors").resolve().unlink()
    assert not installed("hf:some/model")
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert not installed("hf:some/model")
    (snapshot / "model-00001-of-00001.safetensors").touch()
    assert installed("hf:some/model")
    (snapshot.parents[1] / "refs" / "main").write_text("../../elsewhere", encoding="utf-8")
    assert not installed("hf:some/model")


def test_others_models_are_not_listed(superb: Path, tmp_path: Path) -> None:
    cache = tmp_path / "huggingface" / "hub"
    (superb / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    in_huggingface(superb, "some/text", cache)
    wav2vec2_snapshots.write(superb, wav2vec2_snapshots.tiny(architecture="Model"))
    in_huggingface(superb, "some/network", cache)
    for name in ("models--..--x", "models--a", "datasets--a--b", "models--a--b--c"):
        (cache / name / "snapshots" / COMMIT).mkdir(parents=True)
    assert found() == []
    assert load("hf:some/network", precision="fp32").metadata.readouts == ()
    with pytest.raises(ModelError, match="not a snapshot that can be computed"):
        load("hf:some/text")


def test_a_folder_elsewhere_is_nobody_s(tmp_path: Path) -> None:
    assert caches.repository_of(tmp_path / "snapshots" / COMMIT) is None
    assert caches.commit_of(tmp_path / "snapshots" / COMMIT) is None
    assert list(caches.repositories()) == []
    assert caches.find(Repository("hf", "a/b")) is None
    assert catalog.found_snapshot(find("lite")) is None
