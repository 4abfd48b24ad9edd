"""A baseline: the sums of the embeddings of recordings that are alike, in a small JSON file.

What a model hears in a voice, on a line or in a room whatever is said lies in their mean; `shift` takes it away.
The sums are stored, not the mean, so that those of two halves add up to the whole's.
"""

import base64
import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

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
from emovox.errors import BaselineError
from emovox.models.head import DIGEST, Digests, HeadModel
from emovox.models.metadata import Metadata
from emovox.settings import settings

FORMAT: Literal[1] = 1
SUFFIX = ".json"
MAX_BYTES = 64 * 2**20
SELF = "self"
"""Instead of a baseline: each recording relative to itself."""
RESERVED = (SELF, "corpus", "speaker")
"""What `--baseline` means by these is decided for each recording, so that no file can be called so."""
_NAME = re.compile(r"\w[\w .-]{0,127}")

Vector = NDArray[np.float64]


def _decode(value: object) -> object:
    if not isinstance(value, str):
        return np.asarray(value, dtype=np.float64)
    return np.frombuffer(base64.b64decode(value, validate=True), "<f8").astype(np.float64)


def _encode(value: Vector) -> str:
    return base64.b64encode(value.astype("<f8").tobytes()).decode("ascii")


Sums = Annotated[Vector, BeforeValidator(_decode), PlainSerializer(_encode)]
"""float64 (D,), little-endian and base64 in JSON."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")


class Group(_Facts):
    """The set that a baseline is a part of: all recordings, of which it has those with one value."""

    name: str = Field(description="of the baseline of the whole set")
    column: str = Field(description="what its recordings were told apart by: a column, `channel` or `folder`")
    value: str = Field(description="that all recordings of this baseline have")
    count: int = Field(gt=0, description="recordings of the whole set")
    sum: Sums = Field(description="of their embeddings", repr=False)


class Baseline(_Facts):
    """What recordings that are alike have in common for a model.

    Example:
        >>> baseline = Baseline.find("line3")
        >>> recognizer.recognize("call.mp3", baseline=baseline).emotion
    """

    format: Literal[1] = FORMAT
    name: str
    group: Group | None = Field(None, description="null: it is of recordings that stand alone")
    model: HeadModel = Field(description="whose embeddings these are")
    created_at: AwareDatetime
    emovox: str = Field(description="version of the program")
    source: str = Field(description="what it was made from, in words")
    count: int = Field(gt=0, description="recordings, each of which counts once")
    sum: Sums = Field(description="of their embeddings", repr=False)
    squares: Sums = Field(description="sum of their squares, for each dimension", repr=False)
    recordings: Digests = Field(
        None,
        description="the first 8 bytes of the SHA-256 of each recording, base64 in the file; null: not all are "
        "known",
        repr=False,
    )

    @model_validator(mode="after")
    def _fits(self) -> "Baseline":
        if self.name != SELF:  # of a recording itself, which is never written
            check_name(self.name)
        vectors = [self.sum, self.squares, *([] if self.group is None else [self.group.sum])]
        if any(vector.shape != (self.model.embedding_size,) for vector in vectors):
            raise ValueError(f"its sums aren't {self.model.embedding_size} numbers")
        if not all(np.isfinite(vector).all() for vector in vectors):
            raise ValueError("its sums aren't finite")
        if self.group is not None and self.group.count < self.count:
            raise ValueError("it has more recordings than the set that it is a part of")
        return self

    @property
    def mean(self) -> Vector:
        """(D,), of the embeddings."""
        return self.sum / self.count

    @cached_property
    def checksum(self) -> str:
        """sha256 of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def knows(self, sha256: str) -> bool:
        """Whether the recording with this checksum is one of its own, as far as is known."""
        return self.recordings is not None and sha256[: 2 * DIGEST] in self.recordings

    def check(self, metadata: Metadata) -> None:
        """Refuse another model: with its embeddings nothing would fail, but every score would be wrong.

        Raises:
            BaselineError: the baseline was made with another model.
        """
        other = HeadModel.of(metadata)
        if self.model != other:
            weights = "" if (self.model.name, self.model.revision) != (other.name, other.revision) else (
                " (same name, other weights)"
            )  # fmt: skip
            raise BaselineError(
                f"the baseline {self.name} was made with the model {self.model.name} {self.model.revision}, not "
                f"with {metadata.name} {metadata.revision}{weights}: choose that model with --model, or fit a "
                "baseline for this one"
            )

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            BaselineError: it can't be written.
        """
        try:
            private.make_directory(path.parent)
            files.write(path, f"{self.model_dump_json(indent=1)}\n".encode())
        except OSError as error:
            raise BaselineError(f"{path}: can't be written: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """Read a file that `write` made. Nothing in it is executed.

        Raises:
            BaselineError: it isn't there, or isn't a baseline.
        """
        try:
            if path.stat().st_size > MAX_BYTES:
                raise BaselineError(f"{path}: not a baseline: it is larger than {MAX_BYTES >> 20} MB")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise BaselineError(f"{path}: can't be read: {error.strerror or error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise BaselineError(
                f"{path}: not a baseline of Emovox, or damaged ({where}: {first['msg']})"
            ) from error

    @classmethod
    def find(cls, baseline: "str | Path | Baseline") -> "Baseline":
        """A baseline by its name among the user's, or by its path, which has a slash or ends in .json.

        Raises:
            BaselineError: there is none, or it can't be read.
        """
        if isinstance(baseline, Baseline):
            return baseline
        text = str(baseline)
        if isinstance(baseline, Path) or text.endswith(SUFFIX) or "/" in text or "\\" in text:
            return cls.read(Path(baseline))
        path = baseline_path(text)
        if not path.is_file():
            choice = f"choose {', '.join(names())}, or fit" if names() else "fit"
            raise BaselineError(
                f"no baseline {text!r}: {choice} it with `emovox baseline fit RECORDINGS --name {text}`"
            )
        return cls.read(path)


def check_name(name: str) -> str:
    """Return `name` if it is valid for a baseline.

    Raises:
        BaselineError: it isn't: its file might be anywhere, or the word means something else.
    """
    if name in RESERVED:
        raise BaselineError(f"a baseline can't be called {name!r}: `--baseline {name}` means something of its own")
    if not _NAME.fullmatch(name) or name.endswith((SUFFIX, ".", " ")):
        raise BaselineError(f"{name!r} can't be the name of a baseline: use up to 128 letters, digits, - and _")
    return name


def baseline_path(name: str) -> Path:
    """The file of the baseline of that name, whether it is there or not.

    Raises:
        BaselineError: no baseline can have that name.
    """
    return settings().baselines / f"{check_name(name)}{SUFFIX}"


def names() -> list[str]:
    """The names of the user's baselines, sorted."""
    return sorted(path.stem for path in settings().baselines.glob(f"[!.]*{SUFFIX}"))
