"""Snapshots of SenseVoiceSmall with random weights, written without torch."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from emovox.models.sensevoice.snapshot import LEAST_VOCABULARY, FrontendConfig, read_snapshot
from emovox.models.sensevoice.weights import expected_shapes
from support import torch_zip

VOCABULARY = 25_055
# As https://huggingface.co/FunAudioLLM/SenseVoiceSmall has them (234 million weights); training's are left out.
ENCODER: dict[str, Any] = {
    "output_size": 512,
    "attention_heads": 4,
    "linear_units": 2048,
    "num_blocks": 50,
    "tp_blocks": 20,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
FRONTEND: dict[str, Any] = {
    "fs": 16_000,
    "window": "hamming",
    "n_mels": 80,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": 7,
    "lfr_n": 6,
    "cmvn_file": None,
}
TINY: dict[str, Any] = {"output_size": 16, "linear_units": 24, "num_blocks": 2, "tp_blocks": 1}


def configure(encoder: dict[str, Any] | None = None, frontend: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the published config.yaml with some settings of its parts changed."""
    return {
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": ENCODER | (encoder or {}),
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND | (frontend or {}),
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True},
        "normalize": None,
    }


def tiny(encoder: dict[str, Any] | None = None, frontend: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the config of a model of half a million weights, nearly all in its head, and changes to it."""
    return configure(TINY | (encoder or {}), frontend)


def describe(directory: Path, config: dict[str, Any], *, seed: int = 0) -> Path:
    """Write a snapshot but for its weights."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (directory / "configuration.json").write_text('{"framework": "pytorch"}', encoding="utf-8")
    width = FrontendConfig.model_validate(config["frontend_conf"]).width
    write_cmvn(directory / "am.mvn", width, seed=seed)
    return directory


def write_cmvn(path: Path, width: int, *, seed: int = 0) -> None:
    """Write a shift and a scale of so many numbers, of about the size of the published ones."""
    generator = np.random.default_rng(seed)
    shift = " ".join(f"{value:.6f}" for value in generator.uniform(-15, -8, width))
    scale = " ".join(f"{value:.6f}" for value in generator.uniform(0.15, 0.25, width))
    path.write_text(
        f"<Nnet> \n<Splice> {width} {width}\n[ 0 ]\n<AddShift> {width} {width} \n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {width} {width} \n<LearnRateCoef> 0 [ {scale} ]\n</Nnet> \n",
        encoding="utf-8",
    )


def random_state(
    directory: Path, *, vocabulary: int = LEAST_VOCABULARY, seed: int = 0
) -> dict[str, npt.NDArray[np.float32]]:
    """Return random weights for a snapshot that is described, with variances that keep the signal alive."""
    generator = np.random.default_rng(seed)
    (directory / "model.pt").touch()
    state = {}
    for name, shape in expected_shapes(read_snapshot(directory), vocabulary).items():
        values: npt.NDArray[Any] = generator.standard_normal(shape, np.float32)
        if len(shape) == 1:
            values = values * 0.2 + float("norm" in name and name.endswith("weight"))
        elif name != "embed.weight":
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = np.asarray(values, np.float32)
    return state


def write(
    directory: Path,
    config: dict[str, Any] | None = None,
    *,
    state: dict[str, npt.NDArray[Any]] | None = None,
    seed: int = 0,
) -> Path:
    """Write a whole snapshot, of a tiny model with random weights where nothing else is asked for."""
    describe(directory, config or tiny(), seed=seed)
    torch_zip.save(directory / "model.pt", state or random_state(directory, seed=seed))
    return directory
