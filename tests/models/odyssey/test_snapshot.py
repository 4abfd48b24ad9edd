import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.odyssey.snapshot import is_snapshot, read_snapshot
from support import odyssey_snapshots as snapshots
from support.odyssey_snapshots import DIMENSIONS, EIGHT, configure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the published settings, with something in the place of its weights."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return snapshots.describe(tmp_path, configure())


def change(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | settings
    path.write_text(json.dumps({key: value for key, value in config.items() if value != "-"}), encoding="utf-8")


def test_the_published_settings_are_read(folder: Path) -> None:
    snapshot = read_snapshot(folder)
    assert (snapshot.config.mean, snapshot.config.std) == (-8.278621631819787e-05, 0.08485510250851999)
    assert (snapshot.labels, snapshot.activation, snapshot.embedding_size) == (DIMENSIONS, "none", 1024)
    (folder / "preprocessor_config.json").unlink()  # the one of eight classes has none
    snapshots_of_eight = {"id2label": {str(index): name for index, name in enumerate(EIGHT)}, "num_classes": 8}
    change(folder, **snapshots_of_eight)
    snapshot = read_snapshot(folder, {"Surprise": "surprised", "Fear": "fearful"})
    assert (snapshot.labels, snapshot.activation) == (EIGHT, "softmax")
    assert snapshot.emotions["Fear"] == "fearful"
    assert "Contempt" not in snapshot.emotions


def test_full_size_sizes_are_the_defaults(folder: Path, tmp_path: Path) -> None:
    """The sizes of WavLM large, where the checkpoint has its shapes."""
    state = snapshots.random_state(snapshots.tiny())
    snapshots.write(tmp_path / "tiny", state=state)
    config = read_snapshot(tmp_path / "tiny").encoder
    assert (config.feat_extract_norm, config.do_stable_layer_norm, config.conv_bias) == ("layer", True, False)
    assert (config.conv_stride, config.max_bucket_distance) == ((5, 2, 2, 2, 2, 2, 2), 800)


@pytest.mark.parametrize("kind", ["wavlm", None, 3, ["ser"]])
def test_other_kinds_are_not_of_this_family(folder: Path, kind: Any) -> None:
    assert is_snapshot(folder)
    change(folder, model_type=kind)
    assert not is_snapshot(folder)
    with pytest.raises(ModelError, match="model_type ser"):
        read_snapshot(folder)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"architectures": ["SERModelWithText"]}, "the class SERModel, the only one"),
        ({"architectures": None}, "the class SERModel"),
        ({"ssl_type": "facebook/hubert-large-ll60k"}, "it can be microsoft/wavlm-base or microsoft/wavlm-large"),
        ({"ssl_type": ["x"]}, "ssl_type"),
        ({"mean": "-"}, "mean: Field required"),
        ({"std": "-"}, "std: Field required"),
        ({"mean": "12*16000"}, "mean: "),
        ({"std": -0.1}, "std: "),
        ({"std": 10**400}, "std: "),
        ({"sampling_rate": 8000}, "sampling_rate"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"classifier_hidden_layers": 0}, "classifier_hidden_layers"),
        ({"num_classes": 4}, "names 3 outputs, and num_classes is 4"),
        ({"id2label": "-"}, "names 2 outputs, and num_classes is 3"),
        ({"id2label": {"0": "arousal", "1": "arousal", "2": "valence"}}, "each once"),
        ({"id2label": {"0": "arousal", "1": "Angry", "2": "valence"}}, "doesn't tell classes from values"),
        ({"id2label": {"0": "Angry"}, "num_classes": 1}, "doesn't tell classes from values"),
        ({"problem_type": "ranking"}, "problem_type is 'ranking'"),
    ],
)
def test_what_cant_be_computed_is_refused_by_the_config_alone(
    folder: Path, settings: dict[str, Any], says: str
) -> None:
    (folder / "model.safetensors").unlink()
    change(folder, **settings)
    with pytest.raises(ModelError, match=says) as caught:
        read_snapshot(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_problem_type_goes_before_the_names(folder: Path) -> None:
    change(folder, problem_type="regression", id2label={"0": "tension", "1": "pace", "2": "warmth"})
    readout = read_snapshot(folder).readout("window")
    assert (readout.name, readout.labels, readout.range) == ("dimensions", ("tension", "pace", "warmth"), None)


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_snapshot(folder)


def test_weights_that_cant_be_read_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors is not of the form safetensors"):
        _ = read_snapshot(folder).encoder
