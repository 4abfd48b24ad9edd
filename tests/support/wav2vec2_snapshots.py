"""Snapshots of wav2vec 2.0, HuBERT and WavLM with random weights, written without torch and transformers."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.models.wav2vec2.snapshot import CTC, HEADLESS, PREFIXES, SEQUENCE, SPEECH, ModelConfig
from emovox.models.wav2vec2.weights import Head, expected_shapes
from support import torch_zip

SUPERB = ("neu", "hap", "ang", "sad")
MEANINGS = {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}
NAMED = ("neutral", "happy", "angry", "sad")
DIMENSIONS = ("arousal", "dominance", "valence")
# The classes of ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition.
RAVDESS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16, 16, 16, 16, 16, 24, 16],
    "num_conv_pos_embeddings": 18,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 12,
}
# As published, superb/wav2vec2-base-superb-er and superb/hubert-large-superb-er by facebook/hubert-large-ll60k.
BASE: dict[str, Any] = {"use_weighted_layer_sum": True}
LARGE: dict[str, Any] = {
    "model_type": "hubert",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "use_weighted_layer_sum": True,
}
# As microsoft/wavlm-base and microsoft/wavlm-large, with SUPERB's head.
WAVLM_BASE: dict[str, Any] = {"model_type": "wavlm", "use_weighted_layer_sum": True}
WAVLM_LARGE: dict[str, Any] = LARGE | {"model_type": "wavlm", "conv_bias": False}
# As facebook/data2vec-audio-large and facebook/wav2vec2-conformer-rel-pos-large.
DATA2VEC_LARGE: dict[str, Any] = {
    "model_type": "data2vec-audio",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
CONFORMER_LARGE: dict[str, Any] = DATA2VEC_LARGE | {
    "model_type": "wav2vec2-conformer",
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "hidden_act": "swish",
}
# As audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim, but for its size.
REGRESSION: dict[str, Any] = {
    "feat_extract_norm": "layer",
    "conv_bias": True,
    "do_stable_layer_norm": True,
    "problem_type": "regression",
    "pooling_mode": "mean",
}
AUDEERING: dict[str, Any] = REGRESSION | {
    "hidden_size": 1024,
    "num_hidden_layers": 12,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}


def configure(
    changes: dict[str, Any], labels: tuple[str, ...] = NAMED, architecture: str = SEQUENCE
) -> dict[str, Any]:
    """Return a config.json with transformers' defaults but for ``changes``."""
    config = {"model_type": "wav2vec2", **changes}
    config["architectures"] = [PREFIXES[config["model_type"]] + architecture]
    if architecture != HEADLESS:
        config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    return config


def tiny(
    changes: dict[str, Any] | None = None, labels: tuple[str, ...] = NAMED, architecture: str = SEQUENCE
) -> dict[str, Any]:
    """Return the config of a model of some 30 thousand weights, and changes to it."""
    return configure(TINY | (changes or {}), labels, architecture)


def head_of(config: dict[str, Any]) -> Head | None:
    """The head of the class that a config names."""
    [name] = config["architectures"]
    endings: dict[str, Head | None] = {HEADLESS: None, SPEECH: "dense", CTC: "single", SEQUENCE: "projected"}
    return next(head for ending, head in endings.items() if name.endswith(ending))


def random_state(config: dict[str, Any], *, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights by the network's own names, with variances that keep the signal alive."""
    generator = np.random.default_rng(seed)
    state = {}
    outputs = len(config.get("id2label", ()))
    for name, shape in expected_shapes(ModelConfig.model_validate(config), head_of(config), outputs).items():
        values: npt.NDArray[Any] = generator.standard_normal(shape, np.float32)
        if name.endswith("running_var"):
            values = np.abs(values) + 0.3
        elif name.endswith(("layer_weights", "weight_g")):
            values = values * 0.7 + 1
        elif len(shape) == 1:
            values = values * 0.2 + float("norm" in name and name.endswith("weight"))
        else:
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)
    return state


def stored(config: dict[str, Any], state: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The same under the names that transformers gives them in a checkpoint."""
    head = ("layer_weights", "projector", "classifier", "lm_head")
    prefix = f"{config['model_type'].replace('-', '_')}." if head_of(config) else ""
    return {name if name.startswith(head) else prefix + name: value for name, value in state.items()}


def save_safetensors(path: Path, state: dict[str, npt.NDArray[Any]]) -> Path:
    """Write a model.safetensors of float32, float16 and float64; uint16 is written as bfloat16's."""
    kinds = {"float32": "F32", "float16": "F16", "float64": "F64", "uint16": "BF16", "int64": "I64"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, value in state.items():
        header[name] = {
            "dtype": kinds[value.dtype.name],
            "shape": list(value.shape),
            "data_offsets": [end, end := end + value.nbytes],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in state.values():
            file.write(np.ascontiguousarray(value).tobytes())
    return path


def save_shards(directory: Path, state: dict[str, npt.NDArray[Any]], *, count: int = 3, safe: bool = True) -> Path:
    """Write weights as `count` files with their index, whose path it returns."""
    stem, ending = ("model", "safetensors") if safe else ("pytorch_model", "bin")
    save = save_safetensors if safe else torch_zip.save
    names = [f"{stem}-{number + 1:05}-of-{count:05}.{ending}" for number in range(count)]
    weight_map = {tensor: names[number % count] for number, tensor in enumerate(state)}
    for name in names:
        save(directory / name, {tensor: state[tensor] for tensor, file in weight_map.items() if file == name})
    index = directory / f"{stem}.{ending}.index.json"
    content = {"metadata": {"total_size": sum(value.nbytes for value in state.values())}, "weight_map": weight_map}
    index.write_text(json.dumps(content), encoding="utf-8")
    return index


def describe(directory: Path, config: dict[str, Any], **preprocessor: Any) -> Path:
    """Write a snapshot but for its weights; ``preprocessor`` are changes to preprocessor_config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {"do_normalize": True, "feature_size": 1, "sampling_rate": 16_000, **preprocessor}
    (directory / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return directory


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    state: dict[str, npt.NDArray[Any]] | None = None,
    safe: bool = True,
    shards: int = 0,
    **preprocessor: Any,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config, **preprocessor)
    state = stored(config, state or random_state(config))
    if shards:
        save_shards(directory, state, count=shards, safe=safe)
    elif safe:
        save_safetensors(directory / "model.safetensors", state)
    else:
        torch_zip.save(directory / "pytorch_model.bin", state)
    return directory
