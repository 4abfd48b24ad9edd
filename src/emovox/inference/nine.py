"""The nine emotions in results: fields and columns of what a model says."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, WithJsonSchema

from emovox.emotions import NAMES
from emovox.models.readout import Readout
from emovox.models.scores import Scores, check_scores

UNTRAINED = -1e4  # logit of an emotion that the model doesn't know: its share of any softmax is exactly 0

_score = {"type": "number", "minimum": 0, "maximum": 1}


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"{name!r} isn't one of the nine emotions")
    return name


def _of_all_nine(scores: dict[str, float]) -> dict[str, float]:
    if set(scores) != set(NAMES):
        raise ValueError("the scores must be those of the nine emotions")
    return scores


def _probable(scores: dict[str, float]) -> dict[str, float]:
    check_scores(list(scores.values()))
    return scores


def is_none(value: object) -> bool:
    """Whether a field is left out of JSON."""
    return value is None


EmotionName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(NAMES)})]
NumberMap = Annotated[
    dict[str, float],
    AfterValidator(_of_all_nine),
    WithJsonSchema(
        {
            "type": "object",
            "properties": dict.fromkeys(NAMES, _score),
            "required": list(NAMES),
            "additionalProperties": False,
        }
    ),
]
"""A number for each of the nine emotions."""
ScoreMap = Annotated[NumberMap, AfterValidator(_probable)]
OptionalEmotion = Annotated[
    EmotionName | None,
    Field(
        description="the one of the nine with the highest score; left out by a model that doesn't give the nine",
        exclude_if=is_none,
    ),
]
OptionalConfidence = Annotated[
    float | None, Field(description="that score; left out likewise", ge=0, le=1, exclude_if=is_none)
]
OptionalScores = Annotated[
    ScoreMap | None,
    Field(
        description="probability of each of the nine emotions; they sum to 1; left out likewise",
        exclude_if=is_none,
    ),
]
WithoutBaseline = Annotated[
    ScoreMap | None,
    Field(description="`scores` as they would be without the baseline, if there is one", exclude_if=is_none),
]


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


def of_the_nine(readout: Readout, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits (T, 9) of a readout whose classes are some of the nine, (T, K)."""
    nine = np.full((len(logits), len(NAMES)), UNTRAINED, np.float32)
    nine[:, [NAMES.index(readout.emotions[label]) for label in readout.labels]] = logits
    return nine
