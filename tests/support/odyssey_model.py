"""The authors' model of the Odyssey 2024 baselines, over transformers' own WavLM.

Written anew after their card and `pipeline_utils.py` (MIT) on Hugging Face, and
https://github.com/MSP-UTD/MSP-Podcast_Challenge: the same parts under the same names, in the same arithmetic.
Needs what tests/requirements-parity.txt says.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def build(config: dict[str, Any], encoder: dict[str, Any], state: dict[str, npt.NDArray[Any]]) -> Any:
    """Return their model with the weights of a checkpoint.

    Args:
        config: as config.json has it.
        encoder: settings of the WavLM, which theirs takes from another repository.
        state: every weight, by its name in the checkpoint.
    """
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    import transformers  # noqa: PLC0415

    torch.set_num_threads(2)
    settings = {key: value for key, value in encoder.items() if key not in ("model_type", "architectures")}

    class Pooling(torch.nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.sap_linear = torch.nn.Linear(width, width)
            self.attention = torch.nn.Parameter(torch.empty(width, 1))

        def forward(self, frames: Any, mask: Any) -> Any:
            lengths = torch.div(mask.sum(dim=1) - 1, 16_000 * 0.02, rounding_mode="floor") + 1
            rows = []
            for row, length in zip(frames, lengths.int().tolist(), strict=True):
                x = row[:length]
                shares = torch.softmax(torch.tanh(self.sap_linear(x)) @ self.attention, dim=0)
                mean = (x * shares).sum(dim=0)
                deviation = ((x**2 * shares).sum(dim=0) - mean**2).clamp(min=1e-5).sqrt()
                rows.append(torch.cat([mean, deviation]))
            return torch.stack(rows)

    class Head(torch.nn.Module):
        def __init__(self, width: int, layers: int, outputs: int) -> None:
            super().__init__()
            parts = [
                torch.nn.Sequential(
                    torch.nn.Linear(width if index else 2 * width, width),
                    torch.nn.LayerNorm(width),
                    torch.nn.ReLU(),
                    torch.nn.Dropout(0.5),
                )
                for index in range(layers)
            ]
            self.fc = torch.nn.ModuleList(parts)
            self.out = torch.nn.Sequential(torch.nn.Linear(width, outputs))

        def forward(self, x: Any) -> Any:
            for part in self.fc:
                x = part(x)
            return self.out(x)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = config["hidden_size"]
            self.ssl_model = transformers.WavLMModel(transformers.WavLMConfig(**settings))
            self.pool_model = Pooling(width)
            self.ser_model = Head(width, config["classifier_hidden_layers"], config["num_classes"])

        def forward(self, waveforms: Any, mask: Any) -> Any:
            frames = self.ssl_model(waveforms, attention_mask=mask).last_hidden_state
            return frames, self.ser_model(self.pool_model(frames, mask))

    model = Model().eval()
    renamed = {
        name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
            "conv.weight_v", "conv.parametrizations.weight.original1"
        ): torch.from_numpy(value)
        for name, value in state.items()
    }
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all(name.endswith("masked_spec_embed") for name in missing)
    return model


def infer(model: Any, config: dict[str, Any], waveform: Floats) -> tuple[Floats, Floats]:
    """Compute the frames (T, D) and the scores or values (K,) of a recording, as their card does."""
    import torch  # noqa: PLC0415

    prepared = (waveform - config["mean"]) / (config["std"] + 0.000001)
    assert prepared.dtype == np.float32
    with torch.no_grad():
        frames, logits = model(torch.from_numpy(prepared).unsqueeze(0), torch.ones(1, len(prepared)))
    values = set(config["id2label"].values()) <= {"arousal", "dominance", "valence"}
    numbers = logits if values else torch.softmax(logits, dim=1)
    return frames[0].numpy(), numbers[0].numpy()
