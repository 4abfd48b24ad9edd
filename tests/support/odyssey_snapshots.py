"""Snapshots of the Odyssey 2024 baselines with random weights, written without torch and without transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.models.odyssey.snapshot import ENCODER, OdysseyConfig
from emovox.models.odyssey.weights import POOL, head_shapes
from emovox.models.wav2vec2.snapshot import HEADLESS
from support import torch_zip, wav2vec2_snapshots

DIMENSIONS = ("arousal", "dominance", "valence")
EIGHT = ("Angry", "Sad", "Happy", "Surprise", "Fear", "Disgust", "Contempt", "Neutral")
# As both are published, but for the labels.
PUBLISHED: dict[str, Any] = {
    "architectures": ["SERModel"],
    "auto_map": {
        "AutoConfig": "pipeline_utils.SERConfig",
        "AutoModelForAudioClassification": "pipeline_utils.SERModel",
    },
    "sampling_rate": 16_000,
    "classifier_dropout_prob": 0.5,
    "classifier_hidden_layers": 1,
    "hidden_size": 1024,
    "mean": -8.278621631819787e-05,
    "model_type": "ser",
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "ssl_type": "microsoft/wavlm-large",
    "std": 0.08485510250851999,
    "torch_dtype": "float32",
    "transformers_version": "4.34.0.dev0",
}
_SIZES = {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}


def configure(labels: tuple[str, ...] = DIMENSIONS, **changes: Any) -> dict[str, Any]:
    """Return a published config.json but for ``changes``."""
    names = {str(index): label for index, label in enumerate(labels)}
    return {**PUBLISHED, "num_classes": len(labels), "id2label": names, **changes}


def tiny(labels: tuple[str, ...] = DIMENSIONS, **changes: Any) -> dict[str, Any]:
    """Return the config of a model of some 30 thousand weights."""
    return configure(labels, **{**_SIZES, **changes})


def encoder(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The settings of the WavLM that a config names, with the sizes that no config.json states."""
    large = config["ssl_type"].endswith("large")
    norms = {"feat_extract_norm": "layer", "do_stable_layer_norm": True} if large else {}
    sizes = {name: config[name] for name in _SIZES}
    middle = wav2vec2_snapshots.TINY if config["hidden_size"] == 32 else {"intermediate_size": 4096}
    settings = {**middle, **sizes, **norms, "model_type": "wavlm", **changes}
    return wav2vec2_snapshots.configure(settings, architecture=HEADLESS)


def random_state(config: dict[str, Any], *, seed: int = 0, **changes: Any) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights by the names of a checkpoint; ``changes`` are to the settings of the encoder."""
    inner = wav2vec2_snapshots.random_state(encoder(config, **changes), seed=seed)
    state = {ENCODER + name: value for name, value in inner.items()}
    generator = np.random.default_rng(seed)
    for name, shape in head_shapes(OdysseyConfig.model_validate(config)).items():
        values: npt.NDArray[Any] = generator.standard_normal(shape, np.float32)
        if len(shape) == 1:
            values = values * 0.2 + float(name.endswith("1.weight"))
        else:
            values = values / np.sqrt(shape[0] if name == f"{POOL}.attention" else shape[1])
        state[name] = np.asarray(values, np.float32)
    return state


def describe(directory: Path, config: dict[str, Any]) -> Path:
    """Write a snapshot but for its weights, as the one of three values is published."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (directory / "preprocessor_config.json").write_text('{\n  "mean": 10\n}', encoding="utf-8")
    return directory


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    state: dict[str, npt.NDArray[Any]] | None = None,
    safe: bool = True,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config)
    state = state or random_state(config)
    if safe:
        wav2vec2_snapshots.save_safetensors(directory / "model.safetensors", state)
    else:
        torch_zip.save(directory / "pytorch_model.bin", state)
    return directory
