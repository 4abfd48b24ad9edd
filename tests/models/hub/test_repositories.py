"""Pulls of what anybody published, by hf:OWNER/NAME."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import HubError, ModelError, NotInstalledError
from emovox.models import catalog
from emovox.models.catalog import disk_size, find, installed, partial_path, pulled, resolve, snapshot_path
from emovox.models.hub import pull as hub
from emovox.models.hub.published import SnapshotSource
from emovox.models.loading import load, open_snapshot
from emovox.models.named import CATALOG
from support import sensevoice_snapshots, snapshots, speechbrain_snapshots, wav2vec2_snapshots
from support.hub import LISTING, Fault, Hub
from support.pulls import HASTY, contents

NAME = "hf:some/model"
CARD = b"---\nlicense: cc-by-nc-4.0\n---\n# A model"
CODE = {"modeling.py": b"import os", "training_args.bin": b"x", "onnx/model.onnx": b"x", ".gitattributes": b"x"}


def pull(name: str = NAME, **options: Any) -> Path:
    return hub.pull(find(name), **{"patience": HASTY, **options})


@pytest.fixture
def transformers(served: Hub, tmp_path: Path) -> dict[str, bytes]:
    """The files of a snapshot of transformers that is on the hub, with others beside it."""
    config = wav2vec2_snapshots.tiny(labels=wav2vec2_snapshots.SUPERB)
    files = contents(wav2vec2_snapshots.write(tmp_path / "published", config)) | {"README.md": CARD}
    served.files = {**files, **CODE}
    served.published = dict(served.files)
    return files


@pytest.mark.parametrize("name", [NAME, "ms:some/model"])
def test_only_the_files_of_its_layout_come(served: Hub, transformers: dict[str, bytes], name: str) -> None:
    said: list[str] = []
    directory = pull(name, notice=said.append)
    assert directory == snapshot_path(name) == resolve(name)
    files = contents(directory)
    assert files.pop("source.json")
    assert files == transformers
    [line] = said
    assert line.startswith("licence: cc-by-nc-4.0, as its model card says; its terms are yours to read: https://")
    source = SnapshotSource.read(directory)
    assert source is not None
    assert (source.repository, source.address) == ("some/model", served.url)
    stored = open_snapshot(directory)
    assert (stored.name, stored.licence) == (name, "cc-by-nc-4.0")
    assert stored.revision == (source.commit or "master")
    assert load(name, precision="fp32").metadata.name == name


def test_one_of_funasr(served: Hub, tmp_path: Path) -> None:
    config = snapshots.tiny()
    served.files = contents(snapshots.write(tmp_path / "published", config)) | {"model.py": b"x"}
    served.published = dict(served.files)
    said: list[str] = []
    files = contents(pull(notice=said.append))
    assert files.keys() == {*served.files, "source.json"} - {"model.py"}
    assert said == ["licence: not stated; its terms are yours to read: https://huggingface.co/some/model"]
    assert find(NAME).licence.name == open_snapshot(snapshot_path(NAME)).licence == "not stated"


def test_of_sensevoice_and_speechbrain_come_the_files_that_are_read(served: Hub, tmp_path: Path) -> None:
    for name, write in (("sense", sensevoice_snapshots.write), ("brain", speechbrain_snapshots.write)):
        published = contents(write(tmp_path / name))
        served.files = {**published, "custom_interface.py": b"x", "chn_jpn_yue_eng_ko_spectok.bpe.model": b"x"}
        served.published = dict(served.files)
        assert contents(pull(f"hf:some/{name}")).keys() == {*published, "source.json"}
        assert load(f"hf:some/{name}", precision="fp32").metadata.emotions is not None or name == "brain"


def test_revisions_lie_beside_each_other(served: Hub, transformers: dict[str, bytes]) -> None:
    with pytest.raises(NotInstalledError, match=r"`emovox models pull hf:some/model@refs/pr/1`"):
        resolve(f"{NAME}@refs/pr/1")
    pull(f"{NAME}@refs/pr/1")
    assert "/revision/refs%2Fpr%2F1?" in served.requests[0].path
    assert not installed(NAME)
    pull(revision="v2")
    assert "/revision/v2?" in served.asked(LISTING)[-1].path
    assert [entry.name for entry in pulled()] == [NAME, f"{NAME}@refs/pr/1"]
    assert pull(f"{NAME}@refs/pr/1", revision="refs/pr/1") == resolve(f"{NAME}@refs/pr/1")
    with pytest.raises(ModelError, match="leave --revision out"):
        pull(f"{NAME}@refs/pr/1", revision="v2")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (
            {"model.safetensors": b"w" * 20_000},
            r"needs a config\.json or config\.yaml or hyperparams\.yaml and one file",
        ),
        ({"config.json": b"{}"}, "one file of weights"),
        ({"config.json": b"{}", "model-00001-of-00002.safetensors": b"w"}, "one file of weights"),
        ({"config.json": b'{"model_type": "bert"}', "model.safetensors": b"w" * 20_000}, "can be computed"),
        ({"config.json": b"{", "pytorch_model.bin": b"w" * 20_000}, "not valid JSON"),
        ({"config.yaml": b"model: Paraformer", "model.pt": b"w" * 20_000}, "hf:some/model was not downloaded"),
        ({"config.yaml": b"model: SenseVoiceSmall", "model.pt": b"w" * 20_000}, "encoder is None"),
        (
            {"hyperparams.yaml": b"output_mlp: !apply:os.system [true]", "wav2vec2.ckpt": b"w" * 20_000},
            "was not downloaded: hyperparams.yaml: wav2vec2 is None",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_before_its_weights_come(
    served: Hub, files: dict[str, bytes], reason: str
) -> None:
    served.files = {**files, "README.md": CARD}
    served.published = dict(served.files)
    with pytest.raises(HubError, match=reason):
        pull()
    assert not any(len(served.files.get(request.what, b"")) > 10_000 for request in served.requests)
    assert not snapshot_path(NAME).exists()
    assert not partial_path(NAME).exists()
    assert pulled() == []


def test_a_config_that_is_not_computed_is_refused_before_its_weights_come(
    served: Hub, transformers: dict[str, bytes]
) -> None:
    config = json.loads(transformers["config.json"]) | {"hidden_act": "relu"}
    served.files["config.json"] = served.published["config.json"] = json.dumps(config).encode()
    with pytest.raises(HubError, match=r"was not downloaded: config\.json: hidden_act"):
        pull()
    assert served.asked("model.safetensors") == []


INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(served: Hub, tmp_path: Path) -> dict[str, bytes]:
    """The files of a snapshot with its weights in two files, and one of another upload beside them."""
    config = wav2vec2_snapshots.tiny(labels=wav2vec2_snapshots.SUPERB)
    files = contents(wav2vec2_snapshots.write(tmp_path / "published", config, shards=2)) | {"README.md": CARD}
    served.files = {**files, **CODE, "model-00001-of-00003.safetensors": b"w" * 20_000}
    served.published = dict(served.files)
    return files


@pytest.mark.parametrize("name", [NAME, "ms:some/model"])
def test_several_files_of_weights_come_with_their_index(served: Hub, sharded: dict[str, bytes], name: str) -> None:
    served.faults["model-00002-of-00002.safetensors"] = [Fault(cut=20_000), *[Fault(status=404)]]
    with pytest.raises(HubError):
        pull(name)
    directory = pull(name)
    files = contents(directory)
    assert files.pop("source.json")
    assert files == sharded
    assert served.asked("model-00002-of-00002.safetensors")[-1].headers["Range"] == "bytes=20000-"
    assert len(served.asked("model-00001-of-00002.safetensors")) == 1
    assert load(name, precision="fp32").metadata.name == name


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("model-00009-of-00009.safetensors", "which (Hugging Face|ModelScope) doesn't have"),
        ("../model-00001-of-00002.safetensors", "is refused: it names"),
        ("model/../../x.safetensors", "is refused: it names"),
        ("/etc/model.safetensors", "is refused: it names"),
        ("C:\\model.safetensors", "is refused: it names"),
        ("modeling.py", "is refused: it names"),
        (7, "is refused: it names"),
    ],
)
@pytest.mark.parametrize("name", [NAME, "ms:some/model"])
def test_an_index_that_names_other_files_is_refused_before_any_weights_come(
    served: Hub, sharded: dict[str, bytes], name: str, file: object, reason: str
) -> None:
    content = json.loads(sharded[INDEX])
    content["weight_map"]["classifier.bias"] = file
    served.files[INDEX] = served.published[INDEX] = json.dumps(content).encode()
    with pytest.raises(HubError, match=f"some/model was not downloaded: {INDEX} .*{reason}"):
        pull(name)
    assert not any(request.what.endswith(".safetensors") for request in served.requests)
    assert pulled() == []


def test_an_interrupted_pull_is_listed_and_resumed(served: Hub, transformers: dict[str, bytes]) -> None:
    served.faults["model.safetensors"] = [Fault(cut=50_000), *[Fault(status=404)]]
    with pytest.raises(HubError):
        pull()
    assert [entry.name for entry in pulled()] == [NAME]
    assert not installed(NAME)
    pull()
    assert served.asked("model.safetensors")[-1].headers["Range"] == "bytes=50000-"
    assert installed(NAME)


def test_removing_one_leaves_those_with_longer_names(transformers: dict[str, bytes]) -> None:
    for name in (NAME, f"{NAME}-large", f"{NAME}@v2"):
        pull(name)
        load(name, precision="fp32")
    size = disk_size(NAME)
    assert catalog.remove(NAME) == size > sum(map(len, transformers.values()))
    assert disk_size(NAME) == 0
    assert [entry.name for entry in pulled()] == [f"{NAME}-large", f"{NAME}@v2"]
    for entry in pulled():
        assert disk_size(entry.name) == pytest.approx(size, rel=0.01)
    assert len(catalog.conversions(f"{NAME}-large")) == 1


def test_what_the_catalog_has_is_not_there_twice(served: Hub, transformers: dict[str, bytes]) -> None:
    entry = find("wav2vec2-base-superb-er")
    name = f"hf:{entry.huggingface}"
    assert find(name) is entry
    with pytest.raises(NotInstalledError):
        resolve(name)
    pull(name)
    assert resolve(name) == resolve(entry.name) == snapshot_path(entry.name)
    assert pulled() == []
    readout = load(name, precision="fp32").metadata.emotions
    assert readout is not None
    assert readout.emotions == dict(entry.labels)
    assert catalog.remove(name) > 0
    assert not installed(entry.name)
    other = find(f"{name}@v2")
    assert other not in CATALOG
    assert (other.name, other.labels, other.revision) == (f"{name}@v2", entry.labels, "v2")


def test_what_was_pulled_before_the_catalog_had_it_stays(
    transformers: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = pull()
    entry = find("wav2vec2-base-superb-er")
    monkeypatch.setattr(catalog, "CATALOG", (replace(entry, name="model", huggingface="some/model"),))
    assert resolve(NAME) == directory
    assert [found.name for found in pulled()] == [NAME]
    assert find(NAME).labels == entry.labels


def test_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        pull()


def test_another_hub(transformers: dict[str, bytes]) -> None:
    with pytest.raises(ModelError, match="use --hub huggingface"):
        pull(hub="modelscope")
