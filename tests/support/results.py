"""A recognition without a model."""

from datetime import datetime, timezone
from typing import Any

import numpy as np

from emovox.emotions import NAMES
from emovox.inference.frames import FrameReadout, Frames, Rows
from emovox.inference.recognition import ModelFacts, ReadoutResult, Recognition, Segment
from emovox.inference.recording_facts import RecordingFacts
from emovox.models.metadata import Metadata
from emovox.models.readout import temperature
from emovox.models.scores import to_scores


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


def run(start: int, end: int, emotion: str = "neutral", **changes: Any) -> list[Segment]:
    """Segments of three seconds with pauses of one, one after the other."""
    return [segment(at, at + 3, emotion, **changes) for at in range(start, end, 4)]


def frames(count: int, seed: int = 0, **changes: Any) -> Frames:
    """Random ones, 20 ms apart."""
    chance = np.random.default_rng(seed)
    logits = chance.standard_normal((count, len(NAMES))).astype(np.float32)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    facts: dict[str, Any] = {"hop": 0.02, "first_centre": 0.0125, "labels": list(NAMES), "smoothing": 0}
    return Frames(**{**facts, "logits": logits, "scores": scores, **changes})


def nine(item: Recognition | Segment) -> dict[str, float]:
    """The scores of the nine, from a model that gives them."""
    assert item.scores is not None
    return item.scores


def verdict(frames: Frames, metadata: Metadata, seconds: float, chosen: Any = slice(None)) -> np.ndarray:
    """What the nine of some frames come to: the mean of their logits by the temperature of so much speech."""
    logits = frame_logits(frames)[chosen].mean(axis=0, dtype=np.float64)
    [readout] = [item for item in metadata.readouts if item is metadata.emotions]
    return to_scores(logits / temperature(readout.temperatures, seconds), metadata.classes)


def frame_scores(frames: Frames) -> Rows:
    """Those of the nine, (T, 9)."""
    assert frames.scores is not None
    return frames.scores


def frame_logits(frames: Frames) -> Rows:
    """Those of the nine, (T, 9)."""
    assert frames.logits is not None
    return frames.logits


def random_curves(count: int) -> dict[str, FrameReadout]:
    """Random ones of values and of a trained head; of the fourth frame there are none."""
    chance = np.random.default_rng(count)
    values, scores = chance.random((count, 2)).astype(np.float32), chance.dirichlet(np.ones(3), count)
    values[3:4] = scores[3:4] = np.nan
    return {
        "dimensions": FrameReadout(kind="pooled", labels=["arousal", "valence"], range=(0, 1), values=values),
        "my head.v2": FrameReadout(kind="linear", labels=["yes", "no", "perhaps"], scores=scores),
    }


def nothing() -> dict[str, Any]:
    """The five fields of a model from which the nine don't follow."""
    return {"emotion": None, "confidence": None, "scores": None}


def classes(**scores: float) -> ReadoutResult:
    """What a readout of these classes gave."""
    label = max(scores, key=lambda name: scores[name])
    return ReadoutResult(kind="linear", label=label, confidence=scores[label], scores=scores)


def head(**scores: float) -> ReadoutResult:
    """What a trained head gave."""
    return classes(**scores).model_copy(update={"created_at": datetime(2024, 1, 4, tzinfo=timezone.utc)})


def values(limits: tuple[float, float] | None = (0, 1), **numbers: float) -> ReadoutResult:
    """What a readout of values gave."""
    return ReadoutResult(kind="pooled", values=numbers, range=limits)


def curve(count: int, item: ReadoutResult) -> FrameReadout:
    """Frames that say the same as a recording; a trained head's have no logits."""
    numbers = item.values if item.scores is None else item.scores
    assert numbers is not None
    rows = np.tile(np.array(list(numbers.values()), np.float32), (count, 1))
    series = {"values" if item.scores is None else "scores": rows}
    if item.created_at is None and item.kind == "linear":
        series["logits"] = np.log(rows)
    return FrameReadout(kind=item.kind, labels=list(numbers), range=item.range, **series)


def curves(count: int, **readouts: ReadoutResult) -> Frames:
    """Frames of a model from which the nine don't follow."""
    return Frames(
        hop=0.02, first_centre=0.0125, smoothing=0,
        readouts={name: curve(count, item) for name, item in readouts.items()},
    )  # fmt: skip
