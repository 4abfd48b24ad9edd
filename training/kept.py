"""Fits and embeddings, kept as they come: a second run, or one that was killed, does only what is missing."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emovox.files import replacing
from training.corpus import Clip
from training.fitting import embed, fit
from training.material import Material
from training.network import Network
from training.sampling import Options
from training.states import States

_FORMAT = 1  # one more where the same options give another fit

_LOG = logging.getLogger("training")


def key_of(material: Material, clips: Sequence[Clip], options: Options, seed: int) -> str:
    """What tells a fit from others: options, seed, clips, versions they are heard in."""
    versions = [*material.versions, *(material.placed if options.placed else ())]
    facts = {
        "format": _FORMAT,
        "options": asdict(options),
        "seed": seed,
        "start": "",
        "clips": [(clip.path, clip.label, clip.speaker) for clip in clips],
        "versions": [sum(clip in version for clip in clips) for version in versions],
        "encoder": [float(np.abs(values).sum()) for _, values in sorted(material.encoder.variables.items())],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def kept_fit(
    material: Material,
    clips: Sequence[Clip],
    options: Options,
    *,
    seed: int,
    work: Path,
) -> tuple[str, Network]:
    """A network fitted to clips in all versions of the material, or read if it was before; and its key."""
    key = key_of(material, clips, options, seed)
    path = work / f"fit-{key}.npz"
    if not path.exists():
        _LOG.info("fitting %s", key)
        network = fit(
            clips,
            material.versions,
            material.encoder,
            options,
            seed=seed,
            placed=material.placed,
        )
        tuned = any(stage.block_rate for stage in options.stages)
        arrays = {
            name: values.detach().cpu().numpy()
            for name, values in network.state_dict().items()
            if tuned or not name.startswith("blocks.")
        }
        _save(path, arrays)
    with np.load(path, allow_pickle=False) as arrays:
        values = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    taps = material.encoder.taps
    network = Network(
        material.encoder.variables,
        range(taps[0] + 1, taps[-1] + 1),
        options.shape,
        values["mean"],
        1 / values["scale"],
    )
    network.load_state_dict(values, strict=False)
    network.frozen = not any(name.startswith("blocks.") for name in values)
    network.eval()
    return key, network


def kept_embeddings(
    key: str, network: Network, clips: Sequence[Clip], states: States, name: str, *, work: Path
) -> NDArray[np.float32]:
    """Embeddings (clips, D) of clips in one version, `name`, by the fit of this key; computed once."""
    digest = hashlib.sha256("|".join(clip.path for clip in clips).encode()).hexdigest()[:8]
    path = work / f"heard-{key}-{name}-{digest}.npz"
    if not path.exists():
        _save(path, {"embeddings": embed(network, clips, states)})
    with np.load(path, allow_pickle=False) as arrays:
        embeddings: NDArray[np.float32] = arrays["embeddings"]
    return embeddings


def _save(path: Path, arrays: dict[str, NDArray[np.float32]]) -> None:
    with replacing(path, durable=False) as file:
        np.savez(file, allow_pickle=False, **arrays)
