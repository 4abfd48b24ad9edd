"""Snapshots of SpeechBrain's emotion recognition with random weights, written without torch and SpeechBrain."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.models.speechbrain.weights import HEAD
from emovox.models.wav2vec2.snapshot import HEADLESS
from support import torch_zip, wav2vec2_snapshots

# hyperparams.yaml of https://huggingface.co/speechbrain/emotion-recognition-wav2vec2-IEMOCAP, in its own words.
HYPERPARAMS = """\
# Hparams NEEDED
HPARAMS_NEEDED: ["encoder_dim", "out_n_neurons", "label_encoder", "softmax"]
# Modules Needed
MODULES_NEEDED: ["wav2vec2", "avg_pool", "output_mlp"]

# Feature parameters
wav2vec2_hub: facebook/wav2vec2-base

# Pretrain folder (HuggingFace)
pretrained_path: speechbrain/emotion-recognition-wav2vec2-IEMOCAP

# parameters
encoder_dim: {width}
out_n_neurons: {outputs}

wav2vec2: !new:speechbrain.lobes.models.huggingface_transformers.wav2vec2.Wav2Vec2
    source: !ref <wav2vec2_hub>
    output_norm: True
    freeze: True
    save_path: wav2vec2_checkpoints

avg_pool: !new:speechbrain.nnet.pooling.StatisticsPooling
    return_std: False

output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <encoder_dim>
    n_neurons: !ref <out_n_neurons>
    bias: False

model: !new:torch.nn.ModuleList
    - [!ref <output_mlp>]

modules:
    wav2vec2: !ref <wav2vec2>
    output_mlp: !ref <output_mlp>
    avg_pool: !ref <avg_pool>

softmax: !new:speechbrain.nnet.activations.Softmax

label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        wav2vec2: !ref <wav2vec2>
        model: !ref <model>
        label_encoder: !ref <label_encoder>
    paths:
        wav2vec2: !ref <pretrained_path>/wav2vec2.ckpt
        model: !ref <pretrained_path>/model.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""
LABELS = ("neu", "ang", "hap", "sad")
# Twelve heads, as facebook/wav2vec2-base has: no weight's shape tells their number.
TINY: dict[str, Any] = {"hidden_size": 48, "num_attention_heads": 12}


def tiny(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings of a tiny encoder, as a config.json of its own would have them."""
    return wav2vec2_snapshots.tiny(TINY | (changes or {}), architecture=HEADLESS)


def describe(
    directory: Path,
    config: dict[str, Any],
    *changes: tuple[str, str],
    labels: tuple[str, ...] = LABELS,
    given: bool = False,
) -> Path:
    """Write a snapshot but for its weights.

    Args:
        directory: of the snapshot.
        config: of the encoder.
        changes: pairs of texts in hyperparams.yaml, each to be replaced by the other.
        labels: of the classes.
        given: write the encoder's config.json beside it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = HYPERPARAMS.format(width=config["hidden_size"], outputs=len(labels))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (directory / "hyperparams.yaml").write_text(text, encoding="utf-8")
    lines = [f"{label!r} => {index}" for index, label in enumerate(labels)]
    (directory / "label_encoder.txt").write_text(
        "\n".join([*lines, "================", "'starting_index' => 0", ""]), encoding="utf-8"
    )
    content = config if given else {"speechbrain_interface": "EncoderWav2vecClassifier"}
    (directory / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


def random_states(
    config: dict[str, Any], *, outputs: int = len(LABELS), bias: bool = False, seed: int = 0
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """Return random weights of the encoder and of the head, by their names in the two checkpoints."""
    generator = np.random.default_rng(seed)
    width = config["hidden_size"]
    head = {f"{HEAD}.weight": generator.standard_normal((outputs, width), np.float32) / np.float32(width**0.5)}
    if bias:
        head[f"{HEAD}.bias"] = generator.standard_normal(outputs, np.float32)
    encoder = wav2vec2_snapshots.random_state(config, seed=seed)
    return {f"model.{name}": value for name, value in encoder.items()}, head


def write(
    directory: Path, config: dict[str, Any] | None = None, *changes: tuple[str, str], **options: Any
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config, *changes, **options)
    encoder, head = random_states(config, bias=("bias: False", "bias: True") in changes)
    torch_zip.save(directory / "wav2vec2.ckpt", encoder)
    torch_zip.save(directory / "model.ckpt", head)
    return directory
