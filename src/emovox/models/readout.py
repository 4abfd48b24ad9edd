"""A readout: what turns the frames of a window into named numbers, as a model's metadata describes it."""

import base64
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from emovox.emotions import NAMES

Kind = Literal["linear", "pooled", "window"]
"""How it is computed.

linear: the logits of the whole are the mean of the frames'; pooled: a function of the mean of the frames;
window: a function of the frames of a window, or of the window by itself, which then holds for all its frames."""

Activation = Literal["softmax", "sigmoid", "none"]
"""From logits to numbers: softmax: classes that exclude each other; sigmoid: classes that don't; none: values."""

Temperatures = tuple[tuple[float, float], ...]
"""By rising length: seconds of speech, and what logits are divided by there."""

EMOTION = "emotion"
"""The name of the readout of emotions, where a model has one."""


def _decode(value: object) -> object:
    if not isinstance(value, str):
        return np.asarray(value, dtype=np.float32)
    return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)


def _encode(value: NDArray[np.float32]) -> str:
    return base64.b64encode(value.astype("<f4").tobytes()).decode("ascii")


Vector = Annotated[NDArray[np.float32], BeforeValidator(_decode), PlainSerializer(_encode)]
"""float32 (n,), little-endian and base64 in JSON."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class ReferenceMean(_Facts):
    """The mean embedding of labelled speech of one class."""

    embedding: Vector = Field(description="float32 (D,)", repr=False)
    count: int = Field(description="recordings, each of which counts once", gt=0)
    source: str = Field(description="the corpora that they are of")

    def __eq__(self, other: object) -> bool:
        """Equal in every number."""
        if not isinstance(other, ReferenceMean):
            return NotImplemented
        same = (self.count, self.source) == (other.count, other.source)
        return same and np.array_equal(self.embedding, other.embedding)

    __hash__ = None  # type: ignore[assignment]  # arrays can change


class Calibration(_Facts):
    """What was measured of a readout's confidence, on speech of corpora that it was not trained on."""

    temperatures: Temperatures = Field(
        (),
        description="pairs, by length: seconds of speech, and what pooled logits are divided by there, so that a "
        "confidence is as often right as it says",
    )
    unsure: float | None = Field(
        None, description="confidence below which a verdict without a baseline is unsure", ge=0, le=1
    )
    unsure_relative: float | None = Field(None, description="the same of one relative to a baseline", ge=0, le=1)

    @model_validator(mode="after")
    def _usable(self) -> "Calibration":
        lengths = [seconds for seconds, _ in self.temperatures]
        if lengths != sorted(set(lengths)) or any(temperature <= 0 for _, temperature in self.temperatures):
            raise ValueError("temperatures are positive, and their lengths rise")
        return self


class Readout(_Facts):
    """What a model gives besides embeddings: classes with scores, or values."""

    name: str = Field(description="of the readout, unique in its model", pattern=r"^[a-z][a-z0-9_]*$")
    kind: Kind = Field(description="how it is computed")
    activation: Activation = Field(description="from logits to numbers")
    labels: tuple[str, ...] = Field(
        description="of the columns, in the order and spelling of the snapshot", min_length=1
    )
    emotions: dict[str, str] = Field(
        default_factory=dict, description="which of the nine a label is; labels that are none of them are left out"
    )
    range: tuple[float, float] | None = Field(
        None, description="of the values that it was trained on; what it gives may lie slightly outside"
    )
    reference: dict[str, ReferenceMean] = Field(
        default_factory=dict, description="by label: the mean embedding of labelled speech"
    )
    prior: dict[str, float] = Field(
        default_factory=dict,
        description="by label: what its logit has in it for being usual, whatever is said; a baseline, "
        "which says what is usual, takes the place of most of it",
    )
    calibration: Calibration | None = Field(None, description="of its confidence, where it was measured")

    @model_validator(mode="after")
    def _consistent(self) -> "Readout":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is named twice")
        if strange := (set(self.emotions) | set(self.reference) | set(self.prior)) - set(self.labels):
            raise ValueError(f"{sorted(strange)[0]!r:.100} is none of its labels")
        if strange := set(self.emotions.values()) - set(NAMES):
            raise ValueError(f"{sorted(strange)[0]!r:.100} is not one of the nine emotions")
        if self.range is not None and (self.activation != "none" or self.range[0] >= self.range[1]):
            raise ValueError("only values have a range, from low to high")
        return self

    @property
    def temperatures(self) -> Temperatures:
        """As its calibration has them; none where nothing was measured."""
        return () if self.calibration is None else self.calibration.temperatures

    @property
    def gives_values(self) -> bool:
        """Whether it gives values, instead of classes."""
        return self.activation == "none"

    @property
    def gives_emotions(self) -> bool:
        """Whether the scores of the nine follow from it: one class is true, and each is one of them."""
        return self.activation == "softmax" and self.emotions.keys() == set(self.labels)

    @property
    def is_nine(self) -> bool:
        """Whether its classes are the nine under their own names, or some of them; FunASR adds the Chinese ones.

        Then the scores of the nine say all that it says.
        """
        names = list(self.emotions.values())
        return (
            self.kind == "linear"
            and self.gives_emotions
            and len(set(names)) == len(names)
            and all(
                emotion == "unknown" or label.lower().rpartition("/")[2].strip() == emotion
                for label, emotion in self.emotions.items()
            )
        )


def temperature(temperatures: Temperatures, seconds: float) -> float:
    """What the pooled logits of so many seconds of speech are divided by.

    Between two lengths it lies on a line, beyond them it is that of the nearest; without any it is 1.
    """
    if not temperatures:
        return 1.0
    lengths, values = zip(*temperatures, strict=True)
    return float(np.interp(seconds, lengths, values))


def same_names(labels: tuple[str, ...]) -> dict[str, str]:
    """Which of the nine a label is, for those that are their English names; for nobody's else is it guessed."""
    return {label: name for label in labels if (name := label.strip().lower()) in NAMES}
