"""A recognition without a model."""

from datetime import datetime, timezone
from typing import Any

from emovox.emotions import NAMES
from emovox.recognition.recognition import ModelFacts, Recognition, RecordingFacts


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
