"""A recognition without a model."""

from datetime import datetime, timezone
from typing import Any

import numpy as np

from emovox.emotions import NAMES
from emovox.inference.frames import Frames
from emovox.inference.recognition import ModelFacts, Recognition, RecordingFacts, Segment


def recognition(**changes: Any) -> Recognition:
    """A happy one of 2024-01-04, with some facts changed."""
    facts: dict[str, Any] = {
        "emotion": "happy",
        "confidence": 1.0,
        "scores": {name: float(name == "happy") for name in NAMES},
        "granularity": "utterance",
        "timestamp": "2024-01-04 22:30:00",
        "created_at": datetime(2024, 1, 4, 14, 30, tzinfo=timezone.utc),
        "recording": RecordingFacts(
            name="x.wav", sha256="0" * 64, duration=1.0, sample_rate=16_000, channels=1, codec="pcm_s16le"
        ),
        "model": ModelFacts(name="tiny", revision="1", precision="fp32", checksum="0" * 64),
        "emovox": "0",
        "warnings": [],
    }
    return Recognition(**{**facts, **changes})


def recording(duration: float, **changes: Any) -> RecordingFacts:
    """The facts of one that long, with some changed."""
    return recognition().recording.model_copy(update={"duration": duration, **changes})


def segment(start: float, end: float, emotion: str = "happy", **changes: Any) -> Segment:
    """A stretch of one emotion, at 0.75, the rest shared between the first two others."""
    others = [name for name in NAMES if name != emotion]
    scores = {**dict.fromkeys(NAMES, 0.0), emotion: 0.75, others[0]: 0.2, others[1]: 0.05}
    facts: dict[str, Any] = {"start": start, "end": end, "emotion": emotion, "confidence": 0.75, "scores": scores}
    return Segment(**{**facts, **changes})


def frames(count: int, seed: int = 0) -> Frames:
    """Random ones, 20 ms apart."""
    chance = np.random.default_rng(seed)
    logits = chance.standard_normal((count, len(NAMES))).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Frames(hop=0.02, first_centre=0.0125, labels=list(NAMES), smoothing=0, logits=logits, scores=scores)
