"""The nine emotions in results: fields and columns of what a model says."""

from typing import Any

import numpy as np

from emovox.emotions import NAMES
from emovox.models.readout import Readout
from emovox.models.runtime.engine import Floats
from emovox.models.scores import Scores

UNTRAINED = -1e4  # logit of an emotion that the model doesn't know: its share of any softmax is exactly 0


def five(scores: Scores) -> dict[str, Any]:
    """The fields of a verdict on scores (9,)."""
    best = int(scores.argmax())
    return {
        "emotion": NAMES[best],
        "confidence": float(scores[best]),
        "scores": by_name(scores),
    }


def by_name(scores: Scores) -> dict[str, float]:
    """Scores (9,) by emotion."""
    return dict(zip(NAMES, scores.tolist(), strict=True))


def of_the_nine(readout: Readout, logits: Floats) -> Floats:
    """The logits (T, 9) of a readout whose classes are some of the nine, (T, K)."""
    nine = np.full((len(logits), len(NAMES)), UNTRAINED, np.float32)
    nine[:, [NAMES.index(readout.emotions[label]) for label in readout.labels]] = logits
    return nine
