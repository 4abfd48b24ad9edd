"""Transformers' wav2vec 2.0, HuBERT and WavLM: random weights for them, their snapshots, and what they compute.

Needs what tests/requirements-parity.txt says.
"""

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from emovox.models.wav2vec2.snapshot import CTC, PREFIXES, SPEECH

_MISSING = any(importlib.util.find_spec(name) is None for name in ("torch", "transformers"))


def parity(test: Any) -> Any:
    """Mark a test that compares with transformers: left out on a machine without it, never by CI."""
    for mark in (
        pytest.mark.parity,
        pytest.mark.skipif(_MISSING and not os.environ.get("CI"), reason="needs tests/requirements-parity.txt"),
        pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),
        pytest.mark.filterwarnings("ignore:.*:FutureWarning"),
        pytest.mark.filterwarnings("ignore:Support for mismatched:UserWarning"),  # WavLM's masks
    ):
        test = mark(test)
    return test


def build(config: dict[str, Any], *, seed: int = 0) -> Any:
    """Return the model of a config's class with random weights, none of them at a value that hides a mistake.

    The class is transformers' own, or the one of `speech_class`.
    """
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    import transformers  # noqa: PLC0415

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    settings = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    if config["architectures"] == [f"{PREFIXES[config['model_type']]}{CTC}"]:
        settings["vocab_size"] = len(settings["id2label"])
    if "id2label" in settings:
        settings["id2label"] = {int(index): label for index, label in settings["id2label"].items()}
    kind = PREFIXES[config["model_type"]]
    options = getattr(transformers, f"{kind}Config")(**settings)
    # As up to transformers 4.57, and as SUPERB's heads were trained: see models/wav2vec2/network.py.
    options.tie_last_hidden_states = True
    [name] = config["architectures"]
    model = (speech_class(kind) if name.endswith(SPEECH) else getattr(transformers, name))(options).eval()
    return randomise(model)


def randomise(model: Any) -> Any:
    """Give a model random weights, none of them at a value that hides a mistake."""
    import torch  # noqa: PLC0415

    with torch.no_grad():
        for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
            if not parameter.is_floating_point() or name.endswith("embed_positions.pe"):
                continue  # sinusoids, which no checkpoint holds
            noise = torch.randn_like(parameter)
            if name.endswith("running_var"):
                parameter.copy_(noise.abs() + 0.3)
            elif name.endswith(("layer_weights", "original0")):
                parameter.copy_(noise * 0.7 + 1)
            elif name.endswith("inv_freq"):
                parameter.mul_(1 + noise.abs() * 0.2)
            elif parameter.dim() == 1:  # biases, and the scales and shifts of norms
                parameter.add_(noise * 0.2)
            else:
                fans = parameter.shape[1:].numel()
                parameter.copy_(noise * fans**-0.5)
    return model


def speech_class(kind: str) -> Any:
    """The class of a wav2vec 2.0 or HuBERT with two layers and tanh on the mean of its frames.

    Written anew after the card of audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim: `EmotionModel` and its
    `RegressionHead`. It is given no attention mask.
    """
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    class Head(torch.nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(config.hidden_size, config.hidden_size)
            self.dropout = torch.nn.Dropout(config.final_dropout)
            self.out_proj = torch.nn.Linear(config.hidden_size, config.num_labels)

        def forward(self, mean: Any) -> Any:
            middle = torch.tanh(self.dense(self.dropout(mean)))
            return self.out_proj(self.dropout(middle))

    base: Any = getattr(transformers, f"{kind}PreTrainedModel")

    class Model(base):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            setattr(self, self.base_model_prefix, getattr(transformers, f"{kind}Model")(config))
            self.classifier = Head(config)
            self.post_init()

        def forward(self, input_values: Any) -> Any:
            frames = self.base_model(input_values)[0]
            return SimpleNamespace(last_hidden_state=frames, logits=self.classifier(frames.mean(dim=1)))

    Model.__name__ = kind + SPEECH
    return Model


def save(model: Any, directory: Path, *, safe: bool = True, normalize: bool = True, shard: str = "50GB") -> Path:
    """Write the model's snapshot with transformers' own means.

    Args:
        model: as `build` gives it.
        directory: of the snapshot.
        safe: as safetensors; otherwise as a pytorch_model.bin, as in 2021.
        normalize: as in the preprocessor's settings.
        shard: the greatest size of a file of weights, such as "40kB".
    """
    import transformers  # noqa: PLC0415

    model.save_pretrained(directory, max_shard_size=shard)
    extractor: Any = transformers.Wav2Vec2FeatureExtractor
    extractor(do_normalize=normalize).save_pretrained(directory)
    if not safe:
        _pickle(model.state_dict(), directory)
    settings = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    assert settings["architectures"] == [type(model).__name__]
    return directory


def _pickle(state: dict[str, Any], directory: Path) -> None:
    """Put files of torch's own form in the place of safetensors, with the same tensors in each."""
    import torch  # noqa: PLC0415

    index = directory / "model.safetensors.index.json"
    names = json.loads(index.read_text(encoding="utf-8"))["weight_map"] if index.exists() else {}
    old = {tensor: names.get(tensor, "model.safetensors") for tensor in state}
    renamed = {name: f"pytorch_{name.replace('.safetensors', '.bin')}" for name in old.values()}
    for name, target in renamed.items():
        (directory / name).unlink()
        torch.save({tensor: value for tensor, value in state.items() if old[tensor] == name}, directory / target)
    if names:
        weight_map = {tensor: renamed[name] for tensor, name in names.items()}
        content = json.dumps({"metadata": {}, "weight_map": weight_map})
        (directory / "pytorch_model.bin.index.json").write_text(content, encoding="utf-8")
        index.unlink()


def infer(
    model: Any, *waveforms: npt.NDArray[np.float32], normalize: bool = True, mask: bool = False
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Compute the frames (T, D) that the head sees and its scores or values (K,), of each recording of one batch.

    Args:
        model: as `build` gives it.
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
    projector = getattr(model, "projector", getattr(model, "lm_head", None))
    hook = projector and projector.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        outputs = model(**inputs)
    if hook:
        hook.remove()
    frames = seen[0] if seen else outputs.last_hidden_state
    logits = getattr(outputs, "logits", torch.zeros(len(waveforms), 0))
    logits = logits.mean(dim=1) if logits.dim() == 3 else logits
    numbers = {"regression": logits, "multi_label_classification": torch.sigmoid(logits)}.get(
        model.config.problem_type, torch.softmax(logits, dim=-1)
    )
    counts = [int(model._get_feat_extract_output_lengths(len(waveform))) for waveform in waveforms]
    return [(frames[row, :count].numpy(), numbers[row].numpy()) for row, count in enumerate(counts)]
