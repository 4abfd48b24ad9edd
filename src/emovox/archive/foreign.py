"""Another program's result.json: its scores, by the names that it has for the nine emotions, and its facts."""

import re
import wave
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from emovox.emotions import EMOTIONS, NAMES
from emovox.errors import ArchiveError
from emovox.models.scores import check_scores
from emovox.outputs import RESULT

_STAMP = re.compile(r"outputs_(\d{8}_\d{6})")
# FunASR's names of the nine, where they are not Emovox's.
_CHINESE = {"生气": "angry", "开心": "happy", "中立": "neutral", "难过": "sad", "吃惊": "surprised"}
_LABELS = {
    **{name: name for name in NAMES},
    **{item.chinese: item.name for item in EMOTIONS},
    **_CHINESE,
    "<unk>": "unknown",
}


def scores(content: Mapping[str, Any]) -> dict[str, float]:
    """Of the nine emotions; those that the other program doesn't know have 0."""
    given, labels = content.get("scores"), content.get("labels")
    if isinstance(given, list) and isinstance(labels, list):
        rows = np.atleast_2d(np.asarray(given, np.float64))  # one, or one for each frame
        given = dict(zip(labels, rows.mean(axis=0).tolist(), strict=True))
    elif isinstance(given, dict):
        rows = np.array([float(value) for value in given.values()])
    if not isinstance(given, dict) or not given:
        raise ArchiveError(f"{RESULT} has no scores by emotion")
    sums = dict.fromkeys(NAMES, 0.0)
    for label, value in given.items():
        if name := emotion(label):
            sums[name] += float(value)
        elif not str(label).startswith("unuse"):  # a class that the model wasn't trained on
            raise ArchiveError(f"{RESULT} has the label {label!r}, which is not one of the nine emotions")
    try:
        check_scores(rows)  # the classes that the model wasn't trained on among them
    except ValueError as error:
        raise ArchiveError(f"{RESULT} has {error}") from error
    if not any(sums.values()):
        raise ArchiveError(f"{RESULT} has no emotion with a score above 0")
    return sums


def emotion(label: object) -> str | None:
    """The emotion that a label means, if it is one of the nine."""
    text = str(label).strip()
    return _LABELS.get(text) or _LABELS.get(text.rpartition("/")[2].strip().lower())


def created(content: Mapping[str, Any], directory: Path) -> datetime:
    """When it was recognised, by its timestamp, its directory's name, or the time of its file."""
    with suppress(TypeError, ValueError, OverflowError):
        return datetime.fromisoformat(content.get("timestamp")).astimezone()  # type: ignore[arg-type]
    if stamp := _STAMP.match(directory.name):
        with suppress(ValueError):
            return datetime.strptime(stamp[1], "%Y%m%d_%H%M%S").astimezone()
    return datetime.fromtimestamp((directory / RESULT).stat().st_mtime).astimezone()


def duration(audio: Path) -> float | None:
    """Seconds of a WAV file."""
    with suppress(OSError, EOFError, wave.Error), wave.open(str(audio)) as file:
        return float(file.getnframes() / file.getframerate())
    return None


def checksum(value: object) -> str | None:
    """A SHA-256, if it is one: by anything else of that name two recordings might be taken for one."""
    digest = str(value).strip().lower()
    return digest if re.fullmatch("[0-9a-f]{64}", digest) else None


def text(value: object) -> str | None:
    """Text, if it is some."""
    return value if isinstance(value, str) and value else None
