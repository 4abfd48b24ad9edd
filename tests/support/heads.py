"""Heads made of random numbers, for a model's embeddings."""

from datetime import datetime, timezone
from typing import Any

import numpy as np

from emovox.models.fitted import FittedModel
from emovox.models.head import Head, Training
from emovox.models.metadata import Metadata


def head(metadata: Metadata, classes: tuple[str, ...] = ("calm", "loud"), seed: int = 0, **changes: Any) -> Head:
    """A head for a model, that somebody might have trained."""
    random = np.random.default_rng(seed)
    training = Training(
        created_at=datetime(2024, 1, 4, 14, 30, tzinfo=timezone.utc),
        emovox="0",
        method="prototypes",
        own_head=False,
        temperature=1.0,
        clips=dict.fromkeys(classes, 5),
        folds=0,
        recalls={},
    )
    facts: dict[str, Any] = {
        "name": "calls",
        "model": FittedModel.of(metadata),
        "classes": classes,
        "training": training,
        "weights": random.standard_normal((len(classes), metadata.embedding_size)).astype(np.float32),
        "bias": random.standard_normal(len(classes)).astype(np.float32),
    }
    return Head(**{**facts, **changes})
