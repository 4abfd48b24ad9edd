"""Snapshots of Whisper classifiers with random weights, written without torch and without transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.models.whisper.snapshot import CLASSIFIER, HEADLESS, WhisperConfig
from emovox.models.whisper.weights import POSITIONS, encoder_shapes, head_shapes
from support.wav2vec2_snapshots import save_safetensors

NAMED = ("neutral", "happy", "angry", "sad")
# One second at once, so that it is quick.
TINY: dict[str, Any] = {
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 16,
    "vocab_size": 60,
    "pad_token_id": 0,
    "max_source_positions": 50,
    "classifier_proj_size": 12,
}
# As openai/whisper-base and openai/whisper-large-v3.
BASE: dict[str, Any] = {
    "d_model": 512,
    "encoder_layers": 6,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048,
    "decoder_layers": 1,
    "decoder_attention_heads": 8,
}
LARGE: dict[str, Any] = {
    "num_mel_bins": 128,
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "decoder_layers": 1,
    "decoder_attention_heads": 20,
}


def configure(
    changes: dict[str, Any], labels: tuple[str, ...] = NAMED, architecture: str = CLASSIFIER
) -> dict[str, Any]:
    """Return a config.json with transformers' defaults but for ``changes``."""
    config = {"model_type": "whisper", "architectures": [architecture], **changes}
    if architecture != HEADLESS:
        config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    return config


def tiny(
    changes: dict[str, Any] | None = None, labels: tuple[str, ...] = NAMED, architecture: str = CLASSIFIER
) -> dict[str, Any]:
    """Return the config of a model of some 40 thousand weights, and changes to it."""
    return configure(TINY | (changes or {}), labels, architecture)


def random_state(config: dict[str, Any], *, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights by their names in a checkpoint, with variances that keep the signal alive."""
    generator = np.random.default_rng(seed)
    settings = WhisperConfig.model_validate(config)
    encoder = {f"encoder.{name}": shape for name, shape in encoder_shapes(settings).items()}
    state = {}
    for name, shape in (encoder | head_shapes(settings, len(config.get("id2label", ())))).items():
        values: npt.NDArray[Any] = generator.standard_normal(shape, np.float32)
        if name == "layer_weights":
            values = values * 0.7 + 1
        elif len(shape) == 1:
            values = values * 0.2 + float("norm" in name and name.endswith("weight"))
        elif not name.endswith(POSITIONS):
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)
    return state


def describe(directory: Path, config: dict[str, Any], **preprocessor: Any) -> Path:
    """Write a snapshot but for its weights; ``preprocessor`` are changes to preprocessor_config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": config.get("num_mel_bins", 80),
        "chunk_length": config.get("max_source_positions", 1500) // 50,
        "hop_length": 160,
        "n_fft": 400,
        "sampling_rate": 16_000,
        "padding_value": 0.0,
        **preprocessor,
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return directory


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    state: dict[str, npt.NDArray[Any]] | None = None,
    **preprocessor: Any,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config, **preprocessor)
    save_safetensors(directory / "model.safetensors", state or random_state(config))
    return directory
