from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emovox.errors import ModelError
from emovox.models.families import FAMILIES, check_family, family_of, layouts, read_snapshot
from emovox.models.layout import LAYOUTS
from support import (
    odyssey_snapshots,
    sensevoice_snapshots,
    snapshots,
    speechbrain_snapshots,
    voxprofile_snapshots,
    wav2vec2_snapshots,
    whisper_snapshots,
)


def test_each_folder_is_read_by_its_family(tmp_path: Path) -> None:
    folders = [
        sensevoice_snapshots.write(tmp_path / "s"),
        snapshots.write(tmp_path / "e"),
        speechbrain_snapshots.write(tmp_path / "b"),
        wav2vec2_snapshots.write(tmp_path / "w"),
        odyssey_snapshots.write(tmp_path / "o"),
        whisper_snapshots.write(tmp_path / "h"),
        voxprofile_snapshots.write(tmp_path / "v"),
    ]
    families = [family_of(read_snapshot(folder)) for folder in folders]
    assert families == list(FAMILIES.values())
    recognised = [[family.recognises(folder) for family in FAMILIES.values()] for folder in folders]
    recognised[0][1] = False  # all of FunASR's is Emotion2Vec's to refuse, but for what comes before
    assert recognised == np.eye(len(FAMILIES), dtype=bool).tolist()


def test_a_checkpoint_of_a_training_is_read_by_its_config(tmp_path: Path) -> None:
    """Transformers' Trainer leaves an optimizer.pt and a scheduler.pt in the folder."""
    folder = wav2vec2_snapshots.write(tmp_path)
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin"):
        (folder / name).touch()
    assert read_snapshot(folder).weights == folder / "model.safetensors"


@pytest.mark.parametrize("config", [None, "{}", '{"model_type": "bert"}'])
def test_a_folder_of_no_family_is_told_which_there_are(tmp_path: Path, config: str | None) -> None:
    if config:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"not a snapshot that can be computed; .*Emotion2Vec.*wav2vec 2\.0, HuBERT, WavLM"
    ):
        read_snapshot(tmp_path)


def test_one_of_a_plugin_may_not_take_another_s_snapshots() -> None:
    own = type("OwnSnapshot", (FAMILIES["whisper"].snapshot,), {})
    for snapshot in (own, FAMILIES["whisper"].snapshot):
        with pytest.raises(ValueError, match=f"its class of snapshots, {snapshot.__name__}, is another family's"):
            check_family("x", replace(FAMILIES["whisper"], snapshot=snapshot), FAMILIES.values())


def test_repositories_are_looked_through_by_the_layouts_of_all() -> None:
    assert layouts()[: len(LAYOUTS)] == LAYOUTS
    assert {family.layout for family in FAMILIES.values()} <= set(layouts())
