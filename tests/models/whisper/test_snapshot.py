import json
from pathlib import Path
from typing import Any

import pytest

from emovox.errors import ModelError
from emovox.models.whisper.snapshot import HEADLESS, is_snapshot, read_snapshot
from support import whisper_snapshots as snapshots
from support.wav2vec2_snapshots import DIMENSIONS, MEANINGS, SUPERB
from support.whisper_snapshots import LARGE, configure, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A snapshot of the large model's settings, with something in the place of its weights."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return snapshots.describe(tmp_path, configure(LARGE))


def change(folder: Path, name: str = "config.json", **settings: Any) -> None:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | settings), encoding="utf-8")


def test_the_published_settings_are_read(folder: Path) -> None:
    assert is_snapshot(folder)
    snapshot = read_snapshot(folder)
    config = snapshot.config
    assert (config.num_mel_bins, config.encoder_layers, config.max_source_positions) == (128, 32, 1500)
    assert (snapshot.embedding_size, snapshot.labels) == (1280, ("neutral", "happy", "angry", "sad"))
    [readout] = snapshot.readouts
    assert (readout.name, readout.kind, readout.activation) == ("emotion", "linear", "softmax")


def test_what_is_left_out_is_transformers_default(tmp_path: Path) -> None:
    snapshots.describe(tmp_path, {"model_type": "whisper", "architectures": ["WhisperForAudioClassification"]})
    (tmp_path / "model.safetensors").touch()
    snapshot = read_snapshot(tmp_path)
    assert snapshot.config.model_dump(exclude={"activation_function"}) == {
        "num_mel_bins": 80,
        "d_model": 384,
        "encoder_layers": 4,
        "encoder_attention_heads": 6,
        "encoder_ffn_dim": 1536,
        "max_source_positions": 1500,
        "use_weighted_layer_sum": False,
        "classifier_proj_size": 256,
    }
    assert snapshot.labels == ("LABEL_0", "LABEL_1")


def test_labels_and_values(folder: Path) -> None:
    snapshots.describe(folder, configure(LARGE, SUPERB))
    assert read_snapshot(folder).emotions == {"sad": "sad"}
    assert read_snapshot(folder, MEANINGS).emotions == MEANINGS
    snapshots.describe(folder, configure(LARGE | {"problem_type": "regression"}, DIMENSIONS))
    [readout] = read_snapshot(folder).readouts
    assert (readout.name, readout.range, readout.labels) == ("dimensions", (0, 1), DIMENSIONS)
    snapshots.describe(folder, configure(LARGE, architecture=HEADLESS))
    assert read_snapshot(folder).readouts == ()


def test_a_preprocessor_that_holds_its_filters(folder: Path) -> None:
    """As openai/whisper-base has it, printed number by number."""
    change(folder, "preprocessor_config.json", mel_filters=[[0.123456789] * 201] * 128)
    assert (folder / "preprocessor_config.json").stat().st_size > 300_000
    assert read_snapshot(folder).embedding_size == 1280


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"architectures": ["WhisperForConditionalGeneration"]}, "of the class WhisperForConditionalGeneration"),
        ({"architectures": None}, "of the class None"),
        ({"activation_function": "relu"}, "activation_function"),
        ({"d_model": 1279}, "multiple of encoder_attention_heads"),
        ({"encoder_layers": 0}, "encoder_layers"),
        ({"encoder_ffn_dim": 10**9}, "encoder_ffn_dim"),
        ({"num_mel_bins": "many"}, "num_mel_bins"),
        ({"max_source_positions": 3000}, "max_source_positions"),
        ({"max_source_positions": 1499}, "chunk_length doesn't fit max_source_positions .*: 1500, not 1499"),
        ({"num_mel_bins": 80}, "feature_size doesn't fit num_mel_bins .*: 128, not 80"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label"),
        ({"problem_type": "other"}, "problem_type"),
    ],
)
def test_other_configs_are_refused(folder: Path, settings: dict[str, Any], reason: str) -> None:
    change(folder, **settings)
    with pytest.raises(ModelError, match=reason):
        read_snapshot(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling_rate", 8000),
        ("hop_length", 320),
        ("n_fft", 512),
        ("feature_size", 80),
        ("chunk_length", 15),
        ("padding_value", 0.5),
        ("dither", 0.1),
    ],
)
def test_other_preprocessors_are_refused(folder: Path, name: str, value: Any) -> None:
    snapshots.describe(folder, configure(LARGE), **{name: value})
    with pytest.raises(ModelError, match=rf"preprocessor_config\.json: {name}"):
        read_snapshot(folder)


def test_files_that_are_missing_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        read_snapshot(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"preprocessor_config\.json can't be read"):
        read_snapshot(folder)


def test_other_kinds_are_not_of_this_family(tmp_path: Path) -> None:
    assert not is_snapshot(tmp_path)
    snapshots.describe(tmp_path, tiny() | {"model_type": "wav2vec2"})
    assert not is_snapshot(tmp_path)
