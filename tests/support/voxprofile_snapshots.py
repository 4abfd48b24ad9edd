"""Snapshots of Vox-Profile with random weights, written without torch and without transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.models.voxprofile.snapshot import BACKBONE, EMOTIONS, VALUES
from emovox.models.voxprofile.weights import LAYERS
from emovox.models.whisper.snapshot import WhisperConfig
from emovox.models.whisper.weights import encoder_shapes
from support import wav2vec2_snapshots
from support.wav2vec2_snapshots import save_safetensors

MEANINGS = {
    "Anger": "angry",
    "Contempt": "other",
    "Disgust": "disgusted",
    "Fear": "fearful",
    "Happiness": "happy",
    "Neutral": "neutral",
    "Sadness": "sad",
    "Surprise": "surprised",
    "Other": "other",
}
# As PyTorchModelHubMixin writes it for https://huggingface.co/tiantiaf/whisper-large-v3-msp-podcast-emotion.
PUBLISHED: dict[str, Any] = {
    "detailed_class_num": 17,
    "finetune_method": "lora",
    "freeze_params": True,
    "hidden_dim": 256,
    "lora_rank": 16,
    "output_class_num": 9,
    "pretrain_model": "whisper_large",
    "use_conv_output": True,
}
WHISPER_LARGE: dict[str, Any] = {
    "num_mel_bins": 128,
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
}
_TINY_WHISPER = {"d_model": 128, "encoder_layers": 4, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}
_TINY_WAVLM = wav2vec2_snapshots.TINY | {
    "model_type": "wavlm",
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}


def configure(**changes: Any) -> dict[str, Any]:
    """Return a config.json as published, but for ``changes``; None leaves a setting out."""
    return {name: value for name, value in {**PUBLISHED, **changes}.items() if value is not None}


def tiny(**changes: Any) -> dict[str, Any]:
    """Return the config of a tiny model, whose encoder is `encoder`'s."""
    return configure(**{"hidden_dim": 24, "lora_rank": 3, **changes})


def encoder(config: dict[str, Any]) -> dict[str, Any]:
    """Settings of the encoder that a config names, which no config.json states: tiny for a narrow head."""
    name, small = config["pretrain_model"], config["hidden_dim"] < 256
    if name.startswith("whisper"):
        bands = 128 if name == "whisper_large" else 80
        sizes = _TINY_WHISPER | {"num_mel_bins": bands} if small else WHISPER_LARGE
        return {**sizes, "max_source_positions": 750}
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True} if name == "wavlm_large" else {}
    sizes = _TINY_WAVLM if small else wav2vec2_snapshots.WAVLM_LARGE
    return {**sizes, **large, "use_weighted_layer_sum": False}


def shapes(config: dict[str, Any], *, emotions: bool = True) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a checkpoint, but for adaptations; ``emotions``: with the heads of classes."""
    settings, width = encoder(config), config["hidden_dim"]
    if "d_model" in settings:
        inner = encoder_shapes(WhisperConfig.model_validate(settings))
        names = {f"{BACKBONE}encoder.{name}": shape for name, shape in inner.items()}
        names["embed_positions"] = (750, inputs := settings["d_model"])
        layers = settings["encoder_layers"]
    else:
        inner = {
            name: value.shape
            for name, value in wav2vec2_snapshots.random_state(
                {**settings, "architectures": ["WavLMModel"]}
            ).items()
        }
        names = {f"{BACKBONE}{name}": shape for name, shape in inner.items()}
        inputs, layers = settings["hidden_size"], settings["num_hidden_layers"]
    names["weights"] = (layers + config["use_conv_output"],)
    for name in LAYERS:
        names |= {f"{name}.weight": (width, inputs, 1), f"{name}.bias": (width,)}
        inputs = width
    rows = {EMOTIONS: config["output_class_num"], "detailed_out_layer": 17} if emotions else {}
    for name, count in {**rows, **{f"{value}_layer": 1 for value in VALUES}}.items():
        names |= {f"{name}.0.weight": (width, width), f"{name}.0.bias": (width,)}
        names |= {f"{name}.2.weight": (count, width), f"{name}.2.bias": (count,)}
    return names


def adapted(config: dict[str, Any]) -> list[str]:
    """The layers of the encoder that have an adaptation beside them."""
    settings = encoder(config)
    whisper = "d_model" in settings
    layers = settings["encoder_layers" if whisper else "num_hidden_layers"]
    parts = ("fc1", "fc2") if whisper else ("feed_forward.intermediate_dense", "feed_forward.output_dense")
    home = f"{BACKBONE}encoder.layers"
    return [f"{home}.{index}.{part}" for index in range(layers // 2 + 1, layers) for part in parts]


def random_state(
    config: dict[str, Any], *, seed: int = 0, emotions: bool = True
) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights by their names in a checkpoint."""
    generator = np.random.default_rng(seed)
    names = shapes(config, emotions=emotions)
    if config["finetune_method"] == "lora":
        for layer in adapted(config):
            rows, columns = names[f"{layer}.weight"]
            names |= {f"{layer}.lora_A": (config["lora_rank"], columns)}
            names |= {f"{layer}.lora_B": (rows, config["lora_rank"])}
    state = {}
    for name, shape in names.items():
        values: npt.NDArray[Any] = generator.standard_normal(shape, np.float32)
        if name == "weights" or name.endswith("weight_g"):
            values = values * 0.7 + 1
        elif len(shape) == 1:
            values = values * 0.2 + float("norm" in name and name.endswith("weight"))
        elif name != "embed_positions" and not name.endswith("lora_B"):
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)
    return state


def describe(directory: Path, config: dict[str, Any]) -> Path:
    """Write a snapshot but for its weights."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    state: dict[str, npt.NDArray[Any]] | None = None,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config)
    save_safetensors(directory / "model.safetensors", state or random_state(config))
    return directory
