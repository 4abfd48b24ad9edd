"""A head: classes or values of the user's own on a model's embeddings, in a small JSON file.

A head is linear, like the models' own: so its logits of an utterance are the mean of those of the frames, and the
curve over time explains the verdict.
"""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, model_validator

from emovox.errors import HeadError
from emovox.models.fitted import SUFFIX, Digests, Fitted, FittedFacts, has_digest
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, Vector
from emovox.models.scores import Scores, to_scores
from emovox.settings import settings

FORMAT: Literal[1] = 1
HEAD_READOUT = "head"
REPORT = ".html"
"""Suffix of the report on how a head does, beside it."""
_NAME = re.compile(r"\w[\w .-]{0,63}")


class Training(FittedFacts):
    """How a head was trained, and how it does on recordings that were held out."""

    created_at: AwareDatetime
    emovox: str = Field(description="version of the program")
    method: str = Field(description="`prototypes`, `logistic` or, of values, `ridge`")
    own_head: bool = Field(description="whether it started from the model's own head")
    penalty: float | None = Field(None, description="of the weights; null for prototypes")
    temperature: float = Field(gt=0, description="by which logits were divided, so that confidence is true")
    unit: Literal["recording", "stretch", "example"] = Field(
        "recording",
        description="what its examples are: recordings, stretches of them, or, `example`, some of each",
    )
    clips: dict[str, int] = Field(description="examples of each class, or that have a rating of each value")
    group: str | None = Field(None, description="column whose values were held out together")
    groups: int | None = Field(None, description="how many values it has")
    folds: int = Field(ge=0, description="parts that were held out in turn; 0: nothing was measured")
    unweighted: float | None = Field(None, description="mean recall of the classes, held out")
    recalls: dict[str, float] = Field(description="of each class, held out")
    intervals: dict[str, tuple[float, float]] = Field(
        {}, description="95 % interval of each recall; empty: not measured, or not known, as in heads of 0.1"
    )
    corrections: bool = Field(
        False, description="whether it was trained on the archive's corrections instead of a list"
    )
    figures: dict[str, dict[str, float | None]] = Field(
        default_factory=dict,
        description="of each value, held out: `clips`, `ccc`, `pearson`, `rmse`, `mae`; null: undefined",
    )
    figure_intervals: dict[str, dict[str, tuple[float | None, float | None]]] = Field(
        default_factory=dict, description="95 % bootstrap intervals of these figures, whole groups being resampled"
    )
    labels_file: str | None = Field(
        None, description="the list that it was trained on, where that was then; null: not known"
    )
    path_column: str | None = Field(None, description="the list's column of recordings, if one was named")
    label_column: str | None = Field(None, description="likewise of labels")
    value_columns: dict[str, str] = Field(
        default_factory=dict, description="likewise of values, by value, where the name differs"
    )
    recordings: Digests = Field(
        None,
        description="the first 8 bytes of the SHA-256 of each recording that it was trained on, base64 in the "
        "file; null: not known, as in heads of 0.1",
        repr=False,
    )

    @property
    def noun(self) -> str:
        """What its examples are, in a word."""
        return "segment" if self.corrections else self.unit

    def knows(self, sha256: str) -> bool:
        """Whether the head was trained on the recording with this checksum, as far as is known."""
        return has_digest(self.recordings, sha256)


class Head(Fitted):
    """Own classes, or own values, on a model's embeddings.

    Examples:
        >>> head = Head.find("calls")
        >>> head.scores(recognition.embedding)    # (1, classes) or (T, classes)
    """

    noun = "head"
    error = HeadError
    made, make, command = "trained on", "train", "emovox head train LABELS"

    format: Literal[1] = FORMAT
    classes: tuple[str, ...] = ()
    values: tuple[str, ...] = Field((), description="their names, instead of classes")
    range: tuple[float, float] | None = Field(None, description="of values: that of the ratings it was trained on")
    training: Training
    weights: Vector = Field(
        description="float32 (classes or values, D), little-endian, base64 in the file", repr=False
    )
    bias: Vector = Field(description="float32 (classes or values,), likewise", repr=False)

    @model_validator(mode="after")
    def _fits(self) -> "Head":
        check_name(self.name)
        if self.values:
            if self.classes or self.range is None:
                raise ValueError("values have a range, and no classes beside them")
        elif len(self.classes) < 2:
            raise ValueError("there are neither two classes nor a value")
        labels, kind = (self.values, "value") if self.values else (self.classes, "class")
        if len(set(labels)) != len(labels):
            raise ValueError(f"a {kind} is named twice")
        shape = (len(labels), self.model.embedding_size)
        if self.weights.size != shape[0] * shape[1] or self.bias.shape != shape[:1]:
            plural = "values" if self.values else "classes"
            raise ValueError(f"the weights don't have the shape of {shape[0]} {plural} on {shape[1]} numbers")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("the weights aren't finite")
        _ = self.readout  # which checks the range
        object.__setattr__(self, "weights", self.weights.reshape(shape))
        return self

    @property
    def readout(self) -> Readout:
        """As a readout of the model that it was trained on; a head's name is freer than a readout's."""
        if self.values:
            return Readout(
                name=HEAD_READOUT, kind="linear", activation="none", labels=self.values, range=self.range
            )
        return Readout(name=HEAD_READOUT, kind="linear", activation="softmax", labels=self.classes)

    def logits(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Logits (..., classes) of embeddings (..., D), or the values; those of a mean are the mean of them."""
        return np.asarray(embeddings.astype(np.float32) @ self.weights.T + self.bias, np.float32)

    def scores(self, embeddings: NDArray[np.floating[Any]]) -> Scores:
        """Scores (..., classes) of embeddings (..., D), summing to 1 along the last axis.

        Raises:
            HeadError: it gives values, which `logits` are.
        """
        if self.values:
            raise HeadError(f"the head {self.name} gives values, and no classes that have scores: use logits")
        return to_scores(self.logits(embeddings), self.classes, self.classes)

    def check(self, metadata: Metadata) -> None:
        """Refuse another model: with its embeddings nothing would fail, but every score would be wrong.

        Raises:
            HeadError: the head was trained on another model, or a readout of the model has its name.
        """
        self.check_model(metadata)
        check_free(self.name, metadata)

    @classmethod
    def path_of(cls, name: str) -> Path:
        """As `head_path`."""
        return head_path(name)

    @classmethod
    def names(cls) -> list[str]:
        """As `names`."""
        return names()


def check_name(name: str) -> str:
    """Return `name` if it is valid for a head.

    Raises:
        HeadError: it isn't: its file might be anywhere.
    """
    if not _NAME.fullmatch(name) or name.endswith((SUFFIX, ".", " ")):
        raise HeadError(f"{name!r} can't be the name of a head: use up to 64 letters, digits, - and _")
    return name


def check_free(name: str, metadata: Metadata) -> None:
    """Refuse a name that a readout of the model has: in a result nobody could tell them apart.

    Raises:
        HeadError: it has.
    """
    if any(readout.name == name and not readout.is_nine for readout in metadata.readouts):
        raise HeadError(f"the model itself has a readout {name}: train the head under another name")


def head_path(name: str) -> Path:
    """The file of the head of that name, whether it is there or not.

    Raises:
        HeadError: no head can have that name.
    """
    return settings().heads / f"{check_name(name)}{SUFFIX}"


def names() -> list[str]:
    """The names of the user's heads, sorted."""
    return sorted(path.stem for path in settings().heads.glob(f"[!.]*{SUFFIX}"))
