"""FunASR's own SenseVoiceSmall: random weights for it, its snapshots, and what it computes with them.

Needs what tests/requirements-parity.txt says.
"""

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from support import sensevoice_snapshots as snapshots

Floats = npt.NDArray[np.float32]


def build(config: dict[str, Any], *, vocabulary: int = snapshots.VOCABULARY, seed: int = 0) -> Any:
    """Return FunASR's model with random weights, none of them at a value that hides a mistake."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency

    with contextlib.redirect_stdout(io.StringIO()):  # "Please install torch_complex firstly"
        from funasr.models.sense_voice.model import SenseVoiceSmall  # noqa: PLC0415

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    frontend = config["frontend_conf"]
    model = SenseVoiceSmall(
        encoder=config["encoder"],
        encoder_conf=config["encoder_conf"],
        ctc_conf=config["ctc_conf"],
        input_size=frontend["n_mels"] * frontend["lfr_m"],
        vocab_size=vocabulary,
        **config["model_conf"],
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            if parameter.dim() == 1:  # biases, and the scales and shifts of norms
                parameter.add_(noise * 0.2)
            elif name != "embed.weight":
                parameter.copy_(noise * parameter.shape[1:].numel() ** -0.5)
    return model


def save(model: Any, directory: Path, config: dict[str, Any], *, seed: int = 0) -> Path:
    """Write the model's snapshot as FunASR's own training does."""
    import torch  # noqa: PLC0415

    snapshots.describe(directory, config, seed=seed)
    torch.save({"state_dict": model.state_dict()}, directory / "model.pt")
    return directory


def infer(model: Any, directory: Path, config: dict[str, Any], waveform: Floats) -> tuple[Floats, Floats]:
    """Compute the outputs of the four queries and the frames, (4 + T, D), and their logits, (4 + T, vocabulary).

    FunASR's `inference` reads files and gives text; this is what it does before that, without the noise that its
    front end adds by default.
    """
    import torch  # noqa: PLC0415
    from funasr.frontends.wav_frontend import WavFrontend  # noqa: PLC0415

    settings = config["frontend_conf"] | {"cmvn_file": str(directory / "am.mvn"), "dither": 0.0}
    frontend = WavFrontend(**settings)
    seen: list[Any] = []
    hook = model.encoder.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0]))
    with torch.no_grad():
        features, lengths = frontend(torch.from_numpy(waveform)[None], [len(waveform)])
        model.inference(
            features, data_lengths=lengths, tokenizer=_Silent(), frontend=frontend, device="cpu", data_type="fbank"
        )
        hook.remove()
        return seen[0][0].numpy(), model.ctc.ctc_lo(seen[0])[0].numpy()


class _Silent:
    """A tokenizer for a transcript that nobody reads."""

    def decode(self, tokens: list[int]) -> str:
        return ""
