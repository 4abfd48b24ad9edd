"""Transformers' own wav2vec 2.0 and HuBERT: random weights for them, their snapshots, and what they compute.

Needs what tests/requirements-parity.txt says.
"""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

_MISSING = any(importlib.util.find_spec(name) is None for name in ("torch", "transformers"))


def parity(test: Any) -> Any:
    """Mark a test that compares with transformers: left out on a machine without it, never by CI."""
    for mark in (
        pytest.mark.parity,
        pytest.mark.skipif(_MISSING and not os.environ.get("CI"), reason="needs tests/requirements-parity.txt"),
        pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
        pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
    ):
        test = mark(test)
    return test


def build(config: dict[str, Any], *, seed: int = 0) -> Any:
    """Return transformers' model with random weights, none of them at a value that hides a mistake."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    import transformers  # noqa: PLC0415

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    settings = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    settings["id2label"] = {int(index): label for index, label in settings["id2label"].items()}
    kind = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert"}[config["model_type"]]
    options = getattr(transformers, f"{kind}Config")(**settings)
    # As up to transformers 4.57, and as SUPERB's heads were trained: see models/wav2vec2/network.py.
    options.tie_last_hidden_states = True
    model = getattr(transformers, f"{kind}ForSequenceClassification")(options).eval()
    with torch.no_grad():
        for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
            if not parameter.is_floating_point():
                continue
            noise = torch.randn_like(parameter)
            if name.endswith("running_var"):
                parameter.copy_(noise.abs() + 0.3)
            elif name.endswith(("layer_weights", "original0")):
                parameter.copy_(noise * 0.7 + 1)
            elif parameter.dim() == 1:  # biases, and the scales and shifts of norms
                parameter.add_(noise * 0.2)
            else:
                fans = parameter.shape[1:].numel()
                parameter.copy_(noise * fans**-0.5)
    return model


def save(model: Any, directory: Path, *, safe: bool = True, normalize: bool = True) -> Path:
    """Write the model's snapshot with transformers' own means; not ``safe``: a pytorch_model.bin, as in 2021."""
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    model.save_pretrained(directory)
    extractor: Any = transformers.Wav2Vec2FeatureExtractor
    extractor(do_normalize=normalize).save_pretrained(directory)
    if not safe:
        (directory / "model.safetensors").unlink()
        torch.save(model.state_dict(), directory / "pytorch_model.bin")
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    assert settings["architectures"] == [type(model).__name__]
    return directory


def infer(
    model: Any, *waveforms: npt.NDArray[np.float32], normalize: bool = True, mask: bool = False
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Compute the frames (T, D) that the head sees and the scores of each recording; several are one batch.

    Args:
        model: transformers'.
        waveforms: 16 kHz.
        normalize: as in the preprocessor's settings.
        mask: give an attention mask, as a model with `feat_extract_norm: layer` wants it for a batch.
    """
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    extractor: Any = transformers.Wav2Vec2FeatureExtractor
    prepare = extractor(do_normalize=normalize, return_attention_mask=mask)
    inputs = prepare(list(waveforms), sampling_rate=16_000, padding=True, return_tensors="pt")
    seen: list[Any] = []
    hook = model.projector.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        logits = model(**inputs).logits
    hook.remove()
    scores = torch.softmax(logits, dim=-1).numpy()
    counts = [int(model._get_feat_extract_output_lengths(len(waveform))) for waveform in waveforms]
    return [(seen[0][row, :count].numpy(), scores[row]) for row, count in enumerate(counts)]
