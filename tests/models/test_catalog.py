from pathlib import Path

import pytest

from emovox.errors import ModelError, NotInstalledError, UnknownModelError
from emovox.models import catalog
from emovox.models.catalog import disk_size, find, installed, partial_path, resolve, snapshot_path
from emovox.models.named import CATALOG
from emovox.models.odyssey.snapshot import read_snapshot
from emovox.models.voxprofile import snapshot as voxprofile
from emovox.settings import settings
from support import odyssey_snapshots, voxprofile_snapshots

LARGE = "emotion2vec_plus_large"


def lay(place: Path, size: int = 1000) -> None:
    (place / "example").mkdir(parents=True)
    (place / "example" / "test.wav").write_bytes(bytes(size))
    (place / "config.yaml").touch()


def test_every_entry_says_what_and_whence_it_is() -> None:
    assert len({entry.name for entry in CATALOG}) == len(CATALOG)
    for entry in CATALOG:
        assert find(entry.name) is entry
        assert entry.title
        assert entry.licence.name in str(entry.licence)
        assert entry.licence.address.startswith("https://")
        assert bool(entry.file) != bool(entry.huggingface or entry.modelscope)
        for id_ in filter(None, (entry.huggingface, entry.modelscope)):
            assert id_.split("/")[1] == entry.name


def test_superbs_models_say_what_they_know() -> None:
    for name in (
        "wav2vec2-base-superb-er",
        "hubert-large-superb-er",
        "hubert-base-superb-er",
        "wav2vec2-large-superb-er",
    ):
        entry = find(name)
        assert entry.huggingface == f"superb/{name}"
        assert dict(entry.labels) == {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}
        assert entry.corpora == ("IEMOCAP",)


def test_each_class_of_the_odyssey_baseline_is_one_of_the_nine(tmp_path: Path) -> None:
    folder = odyssey_snapshots.write(tmp_path, odyssey_snapshots.tiny(odyssey_snapshots.EIGHT))
    entry = find("SER-Odyssey-Baseline-WavLM-Categorical")
    readout = read_snapshot(folder, dict(entry.labels)).readout("window")
    assert readout.gives_emotions
    assert readout.emotions["Contempt"] == "other"


def test_each_class_of_vox_profile_is_one_of_the_nine(tmp_path: Path) -> None:
    entry = find("whisper-large-v3-msp-podcast-emotion")
    folder = voxprofile_snapshots.write(tmp_path)
    emotion, values = voxprofile.read_snapshot(folder, dict(entry.labels)).readouts
    assert emotion.gives_emotions
    assert emotion.emotions == voxprofile_snapshots.MEANINGS
    assert values.labels == ("arousal", "valence", "dominance")
    assert find("wavlm-large-msp-podcast-emotion-dim").labels == ()


def test_titles_name_what_a_model_was_trained_on() -> None:
    corpora = {entry.name: entry.corpora for entry in CATALOG if entry.corpora}
    assert len(corpora) == 15
    for name, names in corpora.items():
        for title in (find(name).title, find(name).chinese):
            assert all(corpus in title for corpus in names)


def test_auto_is_the_bundled_model() -> None:
    assert resolve("auto") == resolve("lite")
    assert resolve("lite").is_file()
    assert installed("lite")
    assert disk_size("lite") == resolve("lite").stat().st_size


def test_a_model_that_is_not_on_disk_gives_the_command() -> None:
    for entry in CATALOG:
        if not entry.file:
            assert not installed(entry.name)
            with pytest.raises(NotInstalledError, match=f"`emovox models pull {entry.name}`"):
                resolve(entry.name)


def test_where_snapshots_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshot_path(LARGE) == tmp_path / "cache" / "snapshots" / LARGE
    assert partial_path(LARGE).parent == snapshot_path(LARGE).parent  # to be renamed
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EMOVOX_CACHE", "~/mine")
    settings.cache_clear()
    assert snapshot_path(LARGE) == tmp_path / "mine" / "snapshots" / LARGE
    lay(partial_path(LARGE))
    assert not installed(LARGE)
    assert disk_size(LARGE) == 1000
    lay(snapshot_path(LARGE))
    assert installed(LARGE)
    assert disk_size(LARGE) == 2000


def test_removing() -> None:
    assert catalog.remove(LARGE) == 0
    lay(snapshot_path(LARGE))
    lay(partial_path(LARGE), 500)
    lay(snapshot_path("emotion2vec_base"))
    assert catalog.remove(LARGE) == 1500
    assert not installed(LARGE)
    assert [path.name for path in snapshot_path(LARGE).parent.iterdir() if path.is_dir()] == ["emotion2vec_base"]
    assert catalog.remove(LARGE) == 0
    with pytest.raises(ModelError, match="part of Emovox"):
        catalog.remove("lite")
    assert installed("lite")


@pytest.mark.parametrize("function", [find, installed, disk_size, catalog.remove])
def test_unknown_names(function: object) -> None:
    assert callable(function)
    with pytest.raises(UnknownModelError, match="'huge': choose lite, emotion2vec_plus_large"):
        function("huge")


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    file.touch()
    assert resolve(file) == resolve(str(file)) == file


def test_anything_else_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="unknown model 'large': choose auto, lite, emotion2vec"):
        resolve("large")
    (tmp_path / "model.pt").touch()
    with pytest.raises(ModelError, match="not a model"):
        resolve(tmp_path / "model.pt")
    with pytest.raises(UnknownModelError, match="unknown model"):
        resolve("a" * 5_000)
