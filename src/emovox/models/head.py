"""A head: classes of the user's own on a model's embeddings, in a small JSON file.

A head is linear, like the models' own: so its logits of an utterance are the mean of those of the frames, and the
curve over time explains the verdict.
"""

import base64
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from emovox import files, private
from emovox.errors import HeadError
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, Vector
from emovox.models.scores import Scores, to_scores
from emovox.settings import settings

FORMAT: Literal[1] = 1
HEAD_READOUT = "head"
SUFFIX = ".json"
DIGEST = 8  # bytes of a recording's SHA-256 that are stored: enough to tell ten million apart
MAX_BYTES = 64 * 2**20  # 4000 classes of Large's embeddings
_NAME = re.compile(r"\w[\w .-]{0,63}")


def _decode_digests(value: object) -> object:
    if not isinstance(value, str):
        return value
    data = base64.b64decode(value, validate=True)
    return frozenset(data[at : at + DIGEST].hex() for at in range(0, len(data), DIGEST))


def _encode_digests(value: frozenset[str] | None) -> str | None:
    if value is None:
        return None
    return base64.b64encode(b"".join(map(bytes.fromhex, sorted(value)))).decode("ascii")


Digests = Annotated[frozenset[str] | None, BeforeValidator(_decode_digests), PlainSerializer(_encode_digests)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")


class HeadModel(_Facts):
    """The model on whose embeddings a head was trained. A model that differs in any of this is another."""

    name: str
    revision: str = Field(description="whose embeddings these are: a later one may give the same")
    source_sha256: str = Field(description="checksum of the weights that the model's file was made from")
    embedding_size: int = Field(gt=0)

    @classmethod
    def of(cls, metadata: Metadata) -> "HeadModel":
        """As a model's metadata says."""
        facts = metadata.model_dump(include=set(cls.model_fields))
        return cls.model_validate({**facts, "revision": metadata.embeddings_of})


class Training(_Facts):
    """How a head was trained, and how it does on recordings that were held out."""

    created_at: AwareDatetime
    emovox: str = Field(description="version of the program")
    method: str = Field(description="`prototypes` or `logistic`")
    own_head: bool = Field(description="whether it started from the model's own head")
    penalty: float | None = Field(None, description="of the weights; null for prototypes")
    temperature: float = Field(gt=0, description="by which logits were divided, so that confidence is true")
    clips: dict[str, int] = Field(description="recordings of each class")
    group: str | None = Field(None, description="column whose values were held out together")
    groups: int | None = Field(None, description="how many values it has")
    folds: int = Field(ge=0, description="parts that were held out in turn; 0: nothing was measured")
    unweighted: float | None = Field(None, description="mean recall of the classes, held out")
    recalls: dict[str, float] = Field(description="of each class, held out")
    recordings: Digests = Field(
        None,
        description="the first 8 bytes of the SHA-256 of each recording that it was trained on, base64 in the "
        "file; null: not known, as in heads of 0.1",
        repr=False,
    )

    def knows(self, sha256: str) -> bool:
        """Whether the head was trained on the recording with this checksum, as far as is known."""
        return self.recordings is not None and sha256[: 2 * DIGEST] in self.recordings


class Head(_Facts):
    """Own classes on a model's embeddings.

    Example:
        >>> head = Head.find("calls")
        >>> head.scores(recognition.embedding)    # (1, classes) or (T, classes)
    """

    format: Literal[1] = FORMAT
    name: str
    model: HeadModel
    classes: tuple[str, ...] = Field(min_length=2)
    training: Training
    weights: Vector = Field(description="float32 (classes, D), little-endian, base64 in the file", repr=False)
    bias: Vector = Field(description="float32 (classes,), likewise", repr=False)

    @model_validator(mode="after")
    def _fits(self) -> "Head":
        check_name(self.name)
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class is named twice")
        shape = (len(self.classes), self.model.embedding_size)
        if self.weights.size != shape[0] * shape[1] or self.bias.shape != shape[:1]:
            raise ValueError(f"the weights don't have the shape of {shape[0]} classes on {shape[1]} numbers")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ValueError("the weights aren't finite")
        object.__setattr__(self, "weights", self.weights.reshape(shape))
        return self

    @property
    def readout(self) -> Readout:
        """As a readout of the model that it was trained on; a head's name is freer than a readout's."""
        return Readout(name=HEAD_READOUT, kind="linear", activation="softmax", labels=self.classes)

    def logits(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Logits (..., classes) of embeddings (..., D); the logits of a mean are the mean of the logits."""
        return np.asarray(embeddings.astype(np.float32) @ self.weights.T + self.bias, np.float32)

    def scores(self, embeddings: NDArray[np.floating[Any]]) -> Scores:
        """Scores (..., classes) of embeddings (..., D), summing to 1 along the last axis."""
        return to_scores(self.logits(embeddings), self.classes, self.classes)

    def check(self, metadata: Metadata) -> None:
        """Refuse another model: with its embeddings nothing would fail, but every score would be wrong.

        Raises:
            HeadError: the head was trained on another model, or a readout of the model has its name.
        """
        other = HeadModel.of(metadata)
        if self.model != other:
            weights = "" if (self.model.name, self.model.revision) != (other.name, other.revision) else (
                " (same name, other weights)"
            )  # fmt: skip
            raise HeadError(
                f"the head {self.name} was trained on the model {self.model.name} {self.model.revision}, not on "
                f"{metadata.name} {metadata.revision}{weights}: choose that model with --model, or train a head "
                "for this one"
            )
        check_free(self.name, metadata)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            HeadError: it can't be written.
        """
        try:
            private.make_directory(path.parent)
            files.write(path, f"{self.model_dump_json(indent=1)}\n".encode())
        except OSError as error:
            raise HeadError(f"{path}: can't be written: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path) -> "Head":
        """Read a file that `write` made. Nothing in it is executed.

        Raises:
            HeadError: it isn't there, or isn't a head.
        """
        try:
            if path.stat().st_size > MAX_BYTES:
                raise HeadError(f"{path}: not a head: it is larger than {MAX_BYTES >> 20} MB")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise HeadError(f"{path}: can't be read: {error.strerror or error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise HeadError(f"{path}: not a head of Emovox, or damaged ({where}: {first['msg']})") from error

    @classmethod
    def find(cls, head: "str | Path | Head") -> "Head":
        """A head by its name among the user's, or by its path, which has a slash or ends in .json.

        Raises:
            HeadError: there is none, or it can't be read.
        """
        if isinstance(head, Head):
            return head
        text = str(head)
        if isinstance(head, Path) or text.endswith(SUFFIX) or "/" in text or "\\" in text:
            return cls.read(Path(head))
        path = head_path(text)
        if not path.is_file():
            choice = f"choose {', '.join(names())}, or train" if names() else "train"
            raise HeadError(f"no head {text!r}: {choice} it with `emovox head train LABELS --name {text}`")
        return cls.read(path)


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
