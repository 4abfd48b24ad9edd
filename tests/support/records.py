"""Entries of an archive, and outputs directories of other programs."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from emovox.archive.record import ArchiveRecord, SegmentRecord
from emovox.emotions import NAMES
from emovox.inference.recognition import ReadoutResult

START = datetime(2024, 1, 4, 12, tzinfo=timezone.utc)


def vector(number: int, *, width: int = 8) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One of its own, in a direction that the emotion `number % 9` shares."""
    found = np.random.default_rng(number).standard_normal(width).astype(np.float32) + 4
    found[number % 9 % width] += 3
    return found


def record(number: int, **changes: Any) -> ArchiveRecord:
    """One of its own: recording, recognition, embedding, and one segment."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    emotion = NAMES[number % 9]
    scores = {name: float(name == emotion) for name in NAMES}
    facts: dict[str, Any] = {
        "id": digest, "sha256": digest[::-1], "name": f"{number}.wav", "created": START + timedelta(hours=number),
        "emotion": emotion, "confidence": 1.0, "scores": scores, "model": "tiny", "revision": "1",
        "duration": 1.5, "embedding": vector(number),
        "segments": (SegmentRecord(0.25, 1.0, emotion, 1.0, scores, None, vector(number)),),
    }  # fmt: skip
    return ArchiveRecord(**{**facts, **changes})


def without_nine(number: int, **changes: Any) -> ArchiveRecord:
    """One of a model without the nine: with five classes of its own (`calma` leads odd ones) and values."""
    scores = {"rabbia": 0.2, "gioia": 0.1, "paura": 0.1, "calma": 0.5, "noia": 0.1}
    if number % 2 == 0:
        scores |= {"rabbia": 0.5, "calma": 0.2}
    leader = max(scores, key=scores.__getitem__)
    facts: dict[str, Any] = {
        "emotion": None, "confidence": None, "scores": None, "model": "foreign",
        "readouts": {
            "emotion": ReadoutResult(kind="linear", label=leader, confidence=0.5, scores=scores),
            "dimensions": ReadoutResult(
                kind="pooled", values={"arousal": number / 10, "valence": 0.5}, range=(0, 1)
            ),
        },
        "segments": (SegmentRecord(0.25, 1.0, None, None, None, None, vector(number)),),
    }  # fmt: skip
    return record(number, **{**facts, **changes})


def classic(place: Path, embedding: Any = None, **changes: Any) -> Path:
    """An outputs directory as the programs before Emovox wrote it."""
    content: dict[str, Any] = {
        "emotion": "happy",
        "confidence": 0.9,
        "scores": {"happy": 0.9, "sad": 0.1},
        "granularity": "utterance",
        "timestamp": "2024-01-04 22:30:00",
    }
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps({**content, **changes}, ensure_ascii=False), encoding="utf-8")
    if embedding is not None:
        np.save(place / "embedding.npy", embedding)
    return place
