import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.voxprofile.snapshot import LABELS, is_snapshot, read_snapshot
from support import voxprofile_snapshots as snapshots
from support.voxprofile_snapshots import configure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the published settings, with something in the place of its weights."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return snapshots.describe(tmp_path, configure())


def test_the_published_settings_are_read(folder: Path) -> None:
    assert is_snapshot(folder)
    snapshot = read_snapshot(folder, snapshots.MEANINGS)
    assert (snapshot.config.is_whisper, snapshot.embedding_size) == (True, 256)
    assert (snapshot.labels, snapshot.emotions) == (LABELS, snapshots.MEANINGS)
    assert read_snapshot(folder).emotions == {"Neutral": "neutral", "Other": "other"}
    with pytest.raises(ModelError, match="not of the form safetensors"):
        snapshot.readouts  # noqa: B018  which need the checkpoint


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"pretrain_model": "whisper_medium"}, "pretrain_model"),
        ({"pretrain_model": "wav2vec2"}, "pretrain_model"),
        ({"hidden_dim": 0}, "hidden_dim"),
        ({"output_class_num": 8}, "8 classes and names none: write them there as id2label"),
        ({"output_class_num": 1}, "output_class_num"),
        ({"id2label": {"0": "a", "1": "b"}}, "9 classes"),
        ({"id2label": {"1": "a"}}, "id2label"),
    ],
)
def test_other_configs_are_refused(folder: Path, settings: dict[str, Any], reason: str) -> None:
    snapshots.describe(folder, configure(**settings))
    with pytest.raises(ModelError, match=reason):
        read_snapshot(folder)


def test_classes_of_another_number_can_be_named(folder: Path) -> None:
    snapshots.describe(folder, configure(output_class_num=2, id2label={"0": "sad", "1": "glad"}))
    assert read_snapshot(folder).labels == ("sad", "glad")


def test_a_model_of_values_may_have_any_classes(folder: Path) -> None:
    snapshots.describe(folder, configure(output_class_num=4, predict_gender=False))
    assert read_snapshot(folder).config.predict_gender is False


def test_other_kinds_are_not_of_this_family(tmp_path: Path) -> None:
    assert not is_snapshot(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "whisper"}), encoding="utf-8")
    assert not is_snapshot(tmp_path)
