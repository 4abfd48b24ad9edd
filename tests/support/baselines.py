"""Baselines of numbers, for a model's embeddings."""

from typing import Any

import numpy as np

from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, ReferenceMean


def baseline(
    metadata: Metadata, *, count: int = 20, mean: float = 0.0, spread: float = 1.0, seed: int = 0
) -> Baseline:
    """A baseline for a model, that somebody might have fitted."""
    rows = np.random.default_rng(seed).standard_normal((count, metadata.embedding_size))
    rows = mean + spread * (rows - rows.mean(axis=0))
    return fit("line3", rows, metadata, sha256s=[f"{number:064x}" for number in range(count)], source="a test")[0]


def with_reference(readout: Readout, width: int = 1, **means: float) -> Readout:
    """A readout with reference means, each the same number `width` times, by the label."""
    reference = {
        label: ReferenceMean(embedding=np.full(width, value, np.float32), count=5, source="a test")
        for label, value in means.items()
    }
    facts: dict[str, Any] = {**dict(readout), "reference": reference}
    return Readout(**facts)
