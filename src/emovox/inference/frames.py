"""Frames: the curves over time, a row for every frame of the model."""

import json
from collections.abc import Iterator
from math import isnan
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from emovox.emotions import NAMES
from emovox.inference.facts import Facts
from emovox.models.readout import Kind
from emovox.models.scores import check_scores

SCORE_DIGITS, LOGIT_DIGITS = 6, 4  # decimals of a frame's numbers in JSON, so that hours of them stay readable
_ROWS = 1000  # frames converted to text at once
_SERIES = {"logits": LOGIT_DIGITS, "scores": SCORE_DIGITS, "values": SCORE_DIGITS}
HEAD = "head"  # the name of a trained head in results that didn't give it

Rows = NDArray[np.float32]

_NUMBER = {"type": "number"}
_SCORE = {"type": "number", "minimum": 0, "maximum": 1}


def _as_rows(value: ArrayLike) -> Rows:
    return np.asarray(value, dtype=np.float32)


def _as_nine(value: ArrayLike) -> Rows:
    rows = np.asarray(value, dtype=np.float32)
    if not rows.size:
        return rows.reshape(0, len(NAMES))
    if rows.ndim != 2 or rows.shape[1] != len(NAMES):
        raise ValueError(f"give rows of {len(NAMES)} numbers, not the shape {rows.shape}")
    return rows


def _probable(rows: Rows) -> Rows:
    check_scores(rows)
    return rows


def to_rows(rows: Rows, digits: int) -> list[list[float | None]]:
    """Rows of plain numbers, rounded; NaN is None."""
    rounded: list[list[float]] = rows.astype(np.float64).round(digits).tolist()
    return [[None if isnan(number) else number for number in row] for row in rounded]


def _rounded(digits: int) -> PlainSerializer:
    return PlainSerializer(lambda rows: to_rows(rows, digits))


def _nine(items: dict[str, Any]) -> WithJsonSchema:
    row = {"type": "array", "items": items, "minItems": len(NAMES), "maxItems": len(NAMES)}
    return WithJsonSchema({"type": "array", "items": row})


_ANY_ROWS = WithJsonSchema(
    {"type": "array", "items": {"type": "array", "items": {"anyOf": [_NUMBER, {"type": "null"}]}}}
)
EmotionScores = Annotated[
    Rows, BeforeValidator(_as_nine), AfterValidator(_probable), _rounded(SCORE_DIGITS), _nine(_SCORE)
]
EmotionLogits = Annotated[Rows, BeforeValidator(_as_nine), _rounded(LOGIT_DIGITS), _nine(_NUMBER)]
Logits = Annotated[Rows, BeforeValidator(_as_rows), _rounded(LOGIT_DIGITS), _ANY_ROWS]
Numbers = Annotated[Rows, BeforeValidator(_as_rows), _rounded(SCORE_DIGITS), _ANY_ROWS]


class _Sparse(Facts):
    """Facts of which those that are null are left out of JSON."""

    @model_serializer(mode="wrap")
    def _without_null(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class FrameReadout(_Sparse):
    """The curve of one readout: scores of its classes, or values.

    A row of nulls (NaN) is a frame that doesn't count, as silence where only speech does.
    """

    kind: Kind = Field(description="`linear`: smoothed logits; else it is computed on a sliding window")
    labels: list[str] = Field(description="of the columns, as the model spells them")
    range: tuple[float, float] | None = Field(None, description="of values: what the model was trained on")
    logits: Logits | None = Field(None, description="of a linear readout: a row for each frame, T x K, as it is")
    scores: Numbers | None = Field(None, description="of classes: a row for each frame, T x K, smoothed")
    values: Numbers | None = Field(None, description="a row for each frame, T x K, smoothed")

    @model_validator(mode="after")
    def _shapes(self) -> "FrameReadout":
        for name in _SERIES:
            rows = getattr(self, name)
            if rows is not None and (rows.ndim != 2 or rows.shape[1] != len(self.labels)):
                raise ValueError(f"the {name} need a column for each of {len(self.labels)} labels")
        if (self.scores is None) == (self.values is None):
            raise ValueError("a readout gives either scores or values")
        return self

    @property
    def numbers(self) -> Rows:
        """The scores or the values, float32 (T, K)."""
        rows = self.values if self.scores is None else self.scores
        assert rows is not None  # noqa: S101  one of them is there
        return rows


class Frames(_Sparse):
    """The curves over time, a row for every frame.

    `logits` are the model's own: their mean is the recording's verdict before the softmax. A single frame's are
    jittery, and no model was trained to judge 20 ms. `scores` are what to look at: the softmax of the mean logits
    within `smoothing` seconds around each frame.
    """

    hop: float = Field(description="seconds from one frame's centre to the next", gt=0)
    first_centre: float = Field(description="seconds from the start to the first frame's centre", ge=0)
    smoothing: float = Field(
        description="seconds over which `scores` are smoothed, and the width of the sliding window of readouts "
        "that aren't linear; 0: not at all, a single frame",
        ge=0,
    )
    labels: list[str] | None = Field(
        None, description="the emotion of each column; null: the model doesn't give the nine"
    )
    logits: EmotionLogits | None = Field(
        None,
        description="a row for each frame, T x 9, as the model gives them, if its classes are the nine",
    )
    scores: EmotionScores | None = Field(
        None, description="a row for each frame, T x 9, smoothed; each row sums to 1 up to rounding"
    )
    readouts: dict[str, FrameReadout] = Field(
        default_factory=dict, description="the curves of all readouts but the nine emotions, trained heads too"
    )

    @model_validator(mode="before")
    @classmethod
    def _upgraded(cls, data: Any) -> Any:
        """Schema 1 had the rows of a trained head beside the nine."""
        if not isinstance(data, dict) or "head_scores" not in data:
            return data
        data = {**data}
        labels, scores = data.pop("head_labels", None), data.pop("head_scores")
        if scores is not None:
            data["readouts"] = {HEAD: {"kind": "linear", "labels": labels or [], "scores": scores}}
        return data

    @model_validator(mode="after")
    def _as_long(self) -> "Frames":
        if self.labels not in (None, list(NAMES)) or (self.labels is None) != (self.scores is None):
            raise ValueError("scores of frames are those of the nine emotions, in their order")
        lengths = {len(rows) for rows in self._rows()}
        if len(lengths) > 1:
            raise ValueError("frames need as many rows of logits as of scores, in every readout")
        return self

    def _rows(self) -> Iterator[Rows]:
        for item in (self, *self.readouts.values()):
            for name in _SERIES:
                if (rows := getattr(item, name, None)) is not None:
                    yield rows

    def __len__(self) -> int:
        """How many frames there are; 0 where no readout gives a curve."""
        return next((len(rows) for rows in self._rows()), 0)

    @property
    def times(self) -> NDArray[np.float64]:
        """Centre of each frame, seconds, (T,)."""
        return self.first_centre + self.hop * np.arange(len(self), dtype=np.float64)

    def json_pieces(self) -> Iterator[str]:
        """Its JSON piece by piece, on one line, so that hours of frames are never in memory as text."""
        yield from _pieces(self, exclude={"readouts"})
        yield ', "readouts": {'
        for index, (name, readout) in enumerate(self.readouts.items()):
            yield f"{', ' if index else ''}{json.dumps(name, ensure_ascii=False)}: "
            yield from _pieces(readout, exclude=set())
            yield "}"
        yield "}}"


def _pieces(item: Frames | FrameReadout, *, exclude: set[str]) -> Iterator[str]:
    """An object without its closing brace, whose series come a few rows at a time."""
    facts = item.model_dump(mode="json", exclude={*_SERIES, *exclude})
    yield json.dumps(facts, ensure_ascii=False).removesuffix("}")
    for name, digits in _SERIES.items():
        rows = getattr(item, name, None)
        if rows is None:
            continue
        yield f', "{name}": ['
        for first in range(0, len(rows), _ROWS):
            yield (", " if first else "") + json.dumps(to_rows(rows[first : first + _ROWS], digits))[1:-1]
        yield "]"
