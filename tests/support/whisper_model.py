"""Transformers' classifiers of Whisper: random weights for them, their snapshots, and what they compute.

Needs what tests/requirements-parity.txt says.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from support.transformers_model import randomise

Floats = npt.NDArray[np.float32]


def build(config: dict[str, Any], *, seed: int = 0) -> Any:
    """Return the model of a config's class with random weights, none of them at a value that hides a mistake."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    import transformers  # noqa: PLC0415

    torch.set_num_threads(2)
    torch.manual_seed(seed)
    settings = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    if "id2label" in settings:
        settings["id2label"] = {int(index): label for index, label in settings["id2label"].items()}
    [name] = config["architectures"]
    model = randomise(getattr(transformers, name)(transformers.WhisperConfig(**settings)).eval())
    with torch.no_grad():  # louder than wide matrices are: else all places are one
        encoder = model.encoder
        encoder.embed_positions.weight.copy_(torch.randn_like(encoder.embed_positions.weight))
    return model


def extractor(model: Any) -> Any:
    """The authors' means of making spectrograms."""
    import transformers  # noqa: PLC0415

    config, kind = model.config, cast("Any", transformers.WhisperFeatureExtractor)
    return kind(feature_size=config.num_mel_bins, chunk_length=config.max_source_positions // 50)


def save(model: Any, directory: Path, *, shard: str = "50GB") -> Path:
    """Write the model's snapshot with transformers' own means."""
    model.save_pretrained(directory, max_shard_size=shard)
    extractor(model).save_pretrained(directory)
    return directory


def infer(model: Any, waveform: Floats) -> tuple[Floats, Floats]:
    """Compute the frames (T, D) of a recording's own positions, and its logits (K,), as the class does.

    What is longer than the model sees is given in pieces, and each piece's logits count by its frames.
    """
    import torch  # noqa: PLC0415

    prepare: Any = extractor(model)
    size = model.config.max_source_positions * 320
    frames, logits, counts = [], [], []
    for start in range(0, len(waveform), size):
        piece = waveform[start : start + size]
        count = (len(piece) // 160 + 1) // 2
        features = prepare(piece, sampling_rate=16_000, return_tensors="pt").input_features
        seen: list[Any] = []
        with torch.no_grad():
            if projector := getattr(model, "projector", None):
                hook = projector.register_forward_pre_hook(lambda _, arguments, to=seen: to.append(arguments[0]))
                logits.append(model(features).logits[0].double().numpy())
                hook.remove()
            else:
                seen.append(model.encoder(features).last_hidden_state)
                logits.append(np.zeros(0))
        frames.append(seen[0][0, :count].numpy())
        counts.append(count)
    mean = sum(row * count for row, count in zip(logits, counts, strict=True)) / max(sum(counts), 1)
    return np.concatenate(frames), np.asarray(mean, np.float32)
