"""Frames: the curves over time, a row for every frame of the model.

In an outputs directory their rows are in frames.npz, and result.json only describes them: hours of rows would be
hundreds of megabytes of JSON.
"""

import json
from collections.abc import Iterator
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from emovox.emotions import NAMES
from emovox.errors import ExportError, FramesError
from emovox.inference.facts import Facts
from emovox.inference.npz import Npz
from emovox.models.readout import Kind
from emovox.models.scores import check_scores

FRAMES: Literal["frames.npz"] = "frames.npz"
RowsIn = Literal["inline", "file"]
"""Where JSON has the rows of frames: in itself, or it names the file that has them."""
INLINE_LIMIT = 180_000
"""The most frames that are given as JSON: an hour, 33 MB."""

SCORE_DIGITS, LOGIT_DIGITS = 6, 4  # decimals of a frame's numbers in JSON, so that hours of them stay readable
_ROWS = 1000  # frames converted to text at once
_SERIES = {"logits": LOGIT_DIGITS, "scores": SCORE_DIGITS, "values": SCORE_DIGITS}
DIRECTORY = "directory"  # of the file, in the context that frames are validated in
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


def _fetch(file: Npz | None, prefix: str, shape: tuple[int, int], required: bool, name: str) -> Rows | None:
    """Rows of a file; None: it has none of this name.

    Raises:
        FramesError: it is gone or damaged, or it isn't known where it is.
    """
    if file is None:
        raise FramesError(
            f"the rows of these frames are in {FRAMES} beside result.json: emovox.outputs.read_result(DIRECTORY) "
            "reads both; over HTTP it is a file of the outputs, and frames=inline gives them as JSON"
        )
    rows = file.get(f"{prefix}{name}")
    if rows is None and required and name == "scores":
        raise file.damaged(f"no {prefix}{name}")
    if rows is not None and (rows.shape, rows.dtype) != (shape, np.dtype("<f4")):
        raise file.damaged(f"{prefix}{name} is {rows.dtype} {rows.shape}, not float32 {shape}")
    return rows


class _Curve(Facts):
    """Facts of which null ones are left out of JSON, and rows: here, or in a file that they are read from."""

    _rows: "partial[Rows | None]" = PrivateAttr(partial(_fetch, None, "", (0, 0), False))  # by their name

    if not TYPE_CHECKING:  # to type checkers any name would be an attribute

        def __getattr__(self, name: str) -> Any:
            """Rows that are in a file, for which there is no value here."""
            return self._rows(name) if name in self._names() else super().__getattr__(name)

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in _SERIES if name in cls.model_fields]

    @property
    def _is_empty(self) -> bool:
        return all(self.__dict__.get(name) is None for name in self._names())

    def _facts(self) -> dict[str, Any]:
        """All fields, with the rows that there are."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def _leave_to_file(self) -> None:
        for name in self._names():
            self.__dict__.pop(name, None)

    def series(self) -> Iterator[tuple[str, Rows]]:
        """The rows that there are, float32 (T, K), with their names: `logits`, `scores`, `values`.

        Raises:
            FramesError: they are in a file that is gone or damaged, or it isn't known where.
        """
        for name in self._names():
            if (rows := getattr(self, name)) is not None:
                yield name, rows

    @model_serializer(mode="wrap")
    def _without_null(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class FrameReadout(_Curve):
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
        if self._is_empty:
            self._leave_to_file()
            return self
        for name, rows in self.series():
            if rows.ndim != 2 or rows.shape[1] != len(self.labels):
                raise ValueError(f"the {name} need a column for each of {len(self.labels)} labels")
        if (self.scores is None) == (self.values is None):
            raise ValueError("a readout gives either scores or values")
        return self

    @property
    def numbers(self) -> Rows:
        """The scores or the values, float32 (T, K).

        Raises:
            FramesError: they are in a file that is gone or damaged, or it isn't known where.
        """
        rows = self.scores if self.scores is not None else self.values
        if rows is None:
            raise FramesError(f"{FRAMES} has neither scores nor values of a readout: recognise again")
        return rows


class Frames(_Curve):
    """The curves over time, a row for every frame.

    `logits` are the model's own: their mean is the recording's verdict before the softmax. A single frame's are
    jittery, and no model was trained to judge 20 ms. `scores` are what to look at: the softmax of the mean logits
    within `smoothing` seconds around each frame.

    Of frames that were read from an outputs directory, rows are mapped when they are asked for: they can't be
    written to, and of hours only what is used is in memory.
    """

    file: Literal["frames.npz"] | None = Field(
        None, description="beside result.json, it has all rows; left out where they are in the JSON"
    )
    count: int | None = Field(None, description="of the rows in the file; left out likewise", ge=0)
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
    def _as_long(self, info: ValidationInfo) -> "Frames":
        if self.labels not in (None, list(NAMES)):
            raise ValueError("scores of frames are those of the nine emotions, in their order")
        if self.file is not None:
            if self.count is None or not all(item._is_empty for item in (self, *self.readouts.values())):
                raise ValueError(f"give the count of the rows in {self.file}, and no rows")
            self._leave_to_file()
            if directory := (info.context or {}).get(DIRECTORY):
                self._bind(Npz(directory / self.file), self.count)
            return self
        if (self.labels is None) != (self.scores is None) or any(
            item._is_empty for item in self.readouts.values()
        ):
            raise ValueError("labels need scores, and readouts scores or values")
        lengths = {len(rows) for item in (self, *self.readouts.values()) for _, rows in item.series()}
        if len(lengths) > 1:
            raise ValueError("frames need as many rows of logits as of scores, in every readout")
        return self

    def _bind(self, file: Npz, count: int) -> None:
        """Let rows be read from a file."""
        self._rows = partial(_fetch, file, "", (count, len(NAMES)), self.labels is not None)
        for name, item in self.readouts.items():
            item._rows = partial(_fetch, file, f"{name}.", (count, len(item.labels)), False)

    def __eq__(self, other: object) -> bool:
        """Equal in every number, wherever the rows are."""
        if not isinstance(other, Frames):
            return NotImplemented
        one, two = self.inline(), other.inline()
        if one.file or two.file:  # without rows
            return one.model_dump() == two.model_dump()
        return Facts.__eq__(one, two)

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __len__(self) -> int:
        """How many frames there are; 0 where no readout gives a curve."""
        if self.count is not None:
            return self.count
        return next((len(rows) for item in (self, *self.readouts.values()) for _, rows in item.series()), 0)

    @property
    def times(self) -> NDArray[np.float64]:
        """Centre of each frame, seconds, (T,)."""
        return self.first_centre + self.hop * np.arange(len(self), dtype=np.float64)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """What `FRAMES` has: `centres` in seconds (T,), and of each readout `labels` (K,) and rows (T, K).

        The names of those of the nine stand alone, and the others' behind their readout's: `dimensions.values`.
        """
        yield "centres", self.times
        items: dict[str, Frames | FrameReadout] = {f"{name}.": item for name, item in self.readouts.items()}
        for prefix, item in {"": self, **items}.items():
            if item.labels is not None:
                yield f"{prefix}labels", np.array(item.labels, np.str_)
            for name, rows in item.series():
                yield f"{prefix}{name}", rows

    def described(self) -> "Frames":
        """The same without rows, as result.json describes those in `FRAMES`."""
        readouts = {name: item.model_dump(exclude={*_SERIES}) for name, item in self.readouts.items()}
        facts = self.model_dump(exclude={*_SERIES, "readouts"})
        return Frames.model_validate({**facts, "file": FRAMES, "count": len(self), "readouts": readouts})

    def inline(self) -> "Frames":
        """The same with rows instead of a file, or itself if it isn't known where that is.

        Raises:
            FramesError: the file is gone or damaged.
        """
        if self.file is None or self._rows.args[0] is None:
            return self
        readouts = {name: item.model_construct(**item._facts()) for name, item in self.readouts.items()}
        return Frames.model_construct(**{**self._facts(), "file": None, "count": None, "readouts": readouts})

    def goes_inline(self, rows_in: RowsIn | None, *, stored: bool) -> bool:
        """Whether JSON is to have the rows.

        Args:
            rows_in: as asked for; None: in the file, or inline where nothing is stored.
            stored: whether there is an outputs directory, whose file has them.

        Raises:
            ExportError: they are to be inline, and are too many for that.
        """
        if rows_in == "file" or (rows_in is None and stored):
            return False
        if len(self) > INLINE_LIMIT:
            raise ExportError(
                f"{len(self)} frames are too many for JSON, which takes {INLINE_LIMIT}: store the outputs, where "
                f"{FRAMES} has them, or export csv or parquet"
            )
        return True

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
    for name, rows in item.series():
        yield f', "{name}": ['
        for first in range(0, len(rows), _ROWS):
            yield (", " if first else "") + json.dumps(to_rows(rows[first : first + _ROWS], _SERIES[name]))[1:-1]
        yield "]"
