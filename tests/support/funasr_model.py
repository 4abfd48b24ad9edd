"""FunASR's own Emotion2Vec: random weights for it, and what it computes with them.

Needs what tests/requirements-parity.txt says.
"""

import importlib.util
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

_MISSING = any(importlib.util.find_spec(name) is None for name in ("torch", "funasr"))


def parity(test: Any) -> Any:
    """Mark a test that compares with FunASR: left out on a machine without it, never by CI."""
    for mark in (
        pytest.mark.parity,
        pytest.mark.skipif(_MISSING and not os.environ.get("CI"), reason="needs tests/requirements-parity.txt"),
        # Of FunASR's own modules and what they import, all of it older than this Python's warnings.
        pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
        pytest.mark.filterwarnings("ignore:.*:SyntaxWarning"),
    ):
        test = mark(test)
    return test


def build(config: dict[str, Any], *, classes: int = 9, seed: int = 0) -> Any:
    """Return FunASR's model with random weights, none of them at a value that hides a mistake."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    from funasr.models.emotion2vec.model import Emotion2vec  # noqa: PLC0415

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    model = Emotion2vec(model_conf=config, vocab_size=classes or -1).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if name.endswith("alibi_scale"):
                parameter.copy_(noise * 0.7 + 0.4)  # some are negative
            elif name.endswith("extra_tokens"):
                parameter.copy_(noise)
            elif parameter.dim() == 1:  # biases, and the scales and shifts of norms
                parameter.add_(noise * 0.2)
            elif name == "proj.weight":
                parameter.copy_(noise * parameter.shape[1] ** -0.5)
    return model


def infer(
    model: Any, waveform: npt.NDArray[np.float32], untaught: tuple[int, ...] = ()
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Compute frames (T, D) and scores as FunASR's `inference` does, which reads files and returns lists."""
    import torch  # noqa: PLC0415

    with torch.no_grad():
        source = torch.from_numpy(waveform)
        if model.cfg.normalize:
            source = torch.nn.functional.layer_norm(source, source.shape)
        frames = model.extract_features(source.view(1, -1), padding_mask=None)["x"]
        if model.proj is None:
            return frames[0].numpy(), np.zeros(0, np.float32)
        logits = model.proj(frames.mean(dim=1))
        logits[:, list(untaught)] = -torch.inf
        return frames[0].numpy(), torch.softmax(logits, dim=-1)[0].numpy()
