"""Snapshots of Emotion2Vec with random weights, written without torch."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from emovox.models.emotion2vec.snapshot import ModelConfig
from emovox.models.emotion2vec.weights import expected_shapes
from support import torch_zip

# funasr/models/emotion2vec/template.yaml, in the words of the published configs.
TEMPLATE: dict[str, Any] = {
    "loss_beta": 0.0,
    "loss_scale": None,
    "depth": 8,
    "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0,
    "num_heads": 12,
    "norm_eps": 1e-05,
    "norm_affine": True,
    "encoder_dropout": 0.1,
    "post_mlp_drop": 0.1,
    "attention_dropout": 0.1,
    "activation_dropout": 0.0,
    "dropout_input": 0.0,
    "layerdrop": 0.05,
    "embed_dim": 768,
    "mlp_ratio": 4.0,
    "layer_norm_first": False,
    "average_top_k_layers": 8,
    "end_of_block_targets": False,
    "clone_batch": 8,
    "normalize": True,
    "modalities": {
        "audio": {
            "type": "AUDIO",
            "prenet_depth": 4,
            "prenet_layerdrop": 0.05,
            "prenet_dropout": 0.1,
            "start_drop_path_rate": 0.0,
            "end_drop_path_rate": 0.0,
            "num_extra_tokens": 10,
            "init_extra_token_zero": True,
            "local_grad_mult": 1.0,
            "use_alibi_encoder": True,
            "alibi_scale": 1.0,
            "learned_alibi": False,
            "alibi_max_pos": None,
            "learned_alibi_scale": True,
            "learned_alibi_scale_per_head": True,
            "learned_alibi_scale_per_layer": False,
            "num_alibi_heads": 12,
            "model_depth": 8,
            "decoder": {
                "decoder_dim": 384,
                "decoder_groups": 16,
                "decoder_kernel": 7,
                "decoder_layers": 4,
                "input_dropout": 0.1,
                "add_positions_masked": False,
                "add_positions_all": False,
                "decoder_residual": True,
                "projection_layers": 1,
                "projection_ratio": 2.0,
            },
            "extractor_mode": "layer_norm",
            "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]",
            "conv_pos_width": 95,
            "conv_pos_groups": 16,
            "conv_pos_depth": 5,
            "conv_pos_pre_ln": False,
        }
    },
}
TOKENS = (
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
    "吃惊/surprised",
    "<unk>",
)
# Emotion2Vec+ Large by its published settings (config.yaml and tokens.txt of the snapshot, second-hand: a public
# repository holds a copy of them): 162 million weights. TEMPLATE is the size of Emotion2Vec+ Base: 93 million.
LARGE: dict[str, Any] = {
    "_name": "data2vec_multi",
    "embed_dim": 1024,
    "num_heads": 16,
    "layerdrop": 0.0,
    "average_top_k_layers": 16,
    "clone_batch": 12,
    "supported_modality": "AUDIO",
}
LARGE_AUDIO: dict[str, Any] = {"num_alibi_heads": 16, "prenet_layerdrop": 0.0}
OTHER_MODALITIES = ("image", "text")  # whose settings stand beside audio's, and whose weights are not there
SCOPE_MAP = ["d2v_model.", "none"]
# No published size: 313 million weights, as many as Large's download could hold in half precision.
LARGER: dict[str, Any] = {"embed_dim": 1024, "num_heads": 16, "depth": 16}
LARGER_AUDIO: dict[str, Any] = {"prenet_depth": 8, "num_alibi_heads": 16, "model_depth": 16}
TINY: dict[str, Any] = {"embed_dim": 32, "num_heads": 4, "depth": 2}
TINY_AUDIO: dict[str, Any] = {
    "prenet_depth": 1,
    "num_alibi_heads": 4,
    "model_depth": 2,
    "conv_pos_groups": 4,
    "conv_pos_width": 19,
    "conv_pos_depth": 2,
    "num_extra_tokens": 3,
    "decoder": None,
    "feature_encoder_spec": "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(24,2,2)] + [(16,2,2)]",
}


def configure(model: dict[str, Any], audio: dict[str, Any]) -> dict[str, Any]:
    """Return the template's model_conf with the settings of ``model`` and of ``audio`` changed."""
    config = copy.deepcopy(TEMPLATE)
    config |= model
    config["modalities"]["audio"] |= audio
    return config


def large() -> dict[str, Any]:
    """Return the settings of Emotion2Vec+ Large as they were published."""
    config = configure(LARGE, LARGE_AUDIO)
    audio = config["modalities"]["audio"]
    config["modalities"] |= {name: copy.deepcopy(audio) | {"type": name.upper()} for name in OTHER_MODALITIES}
    return config


def tiny(model: dict[str, Any] | None = None, audio: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings of a model of some 60 thousand weights, and changes to it."""
    return configure(TINY | (model or {}), TINY_AUDIO | (audio or {}))


def random_state(
    config: dict[str, Any], *, classes: int = len(TOKENS), seed: int = 0
) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights by name, with variances that keep the signal alive."""
    generator = np.random.default_rng(seed)
    state = {}
    for name, shape in expected_shapes(ModelConfig.model_validate(config), classes).items():
        values = generator.standard_normal(shape, np.float32)
        if name.endswith("alibi_scale"):
            values = values * 0.7 + 0.4
        elif len(shape) == 1:
            values = values * 0.2 + float("norm" in name and name.endswith("weight"))
        elif not name.endswith("extra_tokens"):
            values /= np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)
    return state


def describe(directory: Path, config: dict[str, Any], *, tokens: tuple[str, ...] = TOKENS, **extra: Any) -> Path:
    """Write a snapshot but for its weights; ``extra`` are more settings. Without ``tokens`` there is no file.

    The last token has no line end, as in the published snapshots.
    """
    directory.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"model": "Emotion2vec", "model_conf": config, **extra}, allow_unicode=True)
    (directory / "config.yaml").write_text(text, encoding="utf-8")
    if tokens:
        (directory / "tokens.txt").write_text("\n".join(tokens), encoding="utf-8")
    return directory


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    tokens: tuple[str, ...] = TOKENS,
    state: dict[str, Any] | None = None,
    **extra: Any,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    config = config or tiny()
    describe(directory, config, tokens=tokens, **extra)
    torch_zip.save(directory / "model.pt", state or random_state(config, classes=len(tokens)))
    return directory
