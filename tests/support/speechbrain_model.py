"""SpeechBrain's emotion recognition over transformers' own wav2vec 2.0: random weights, and what it computes.

Written anew after speechbrain 1.1.2 (Apache-2.0), integrations/huggingface/wav2vec2.py and nnet/pooling.py, and
compared with these once: the package needs torchaudio. The noise that its pooling adds, up to 9e-5, is left out.
Needs what tests/requirements-parity.txt says.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from support import speechbrain_snapshots as snapshots
from support.transformers_model import build as build_encoder

Floats = npt.NDArray[np.float32]


def build(config: dict[str, Any], *, outputs: int = 4, bias: bool = False, seed: int = 0) -> tuple[Any, Any]:
    """Return an encoder and a head with random weights."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency

    encoder = build_encoder(config, seed=seed)
    head = torch.nn.Linear(config["hidden_size"], outputs, bias=bias)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn_like(parameter) * config["hidden_size"] ** -0.5)
    return encoder, head


def save(model: tuple[Any, Any], directory: Path, config: dict[str, Any], *changes: Any, **options: Any) -> Path:
    """Write the model's snapshot as SpeechBrain saves its parts."""
    import torch  # noqa: PLC0415

    encoder, head = model
    snapshots.describe(directory, config, *changes, **options)
    state = {f"model.{name}": value for name, value in encoder.state_dict().items()}
    torch.save(state, directory / "wav2vec2.ckpt")
    torch.save({f"0.w.{name}": value for name, value in head.state_dict().items()}, directory / "model.ckpt")
    return directory


def infer(model: tuple[Any, Any], waveform: Floats, *, output_norm: bool = True) -> tuple[Floats, Floats]:
    """Compute the frames (T, D) whose mean the head sees, and its scores (K,)."""
    import torch  # noqa: PLC0415

    encoder, head = model
    with torch.no_grad():
        wav = torch.from_numpy(waveform)[None]
        wav = torch.nn.functional.layer_norm(wav, wav.shape[1:])
        frames = encoder(wav).last_hidden_state
        if output_norm:
            frames = torch.nn.functional.layer_norm(frames, frames.shape[1:])
        scores = torch.softmax(head(frames.mean(dim=1)), dim=-1)
    return frames[0].numpy(), scores[0].numpy()
