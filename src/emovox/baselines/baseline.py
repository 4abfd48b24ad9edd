"""A baseline: the sums of the embeddings of recordings that are alike, in a small JSON file.

What a model takes for emotion in a voice, a line or a room, whatever is said, lies in their mean; `shift` takes it
away.
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
from pydantic import AwareDatetime, BeforeValidator, Field, PlainSerializer, model_validator

from emovox.errors import BaselineError
from emovox.models.fitted import DIGEST, SUFFIX, Digests, Fitted, FittedFacts, has_digest
from emovox.models.metadata import Metadata
from emovox.policy import Side
from emovox.settings import settings

FORMAT: Literal[1] = 1
SELF = "self"
"""Instead of a baseline: each recording relative to itself."""
CORPUS, SPEAKER = "corpus", "speaker"
"""Likewise, where there are many recordings: each relative to all of them, or to those of its speaker."""
RECOGNIZED = "recognized"
"""Likewise, of what is in the archive: each relative to what it was recognised with."""
RESERVED = (SELF, CORPUS, SPEAKER, RECOGNIZED)
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


def _decode_summands(value: object) -> object:
    if not isinstance(value, str):
        return value
    data = base64.b64decode(value, validate=True)
    return tuple(data[at : at + 2 * DIGEST].hex() for at in range(0, len(data), 2 * DIGEST))


def _encode_summands(value: tuple[str, ...] | None) -> str | None:
    return None if value is None else base64.b64encode(bytes.fromhex("".join(sorted(value)))).decode("ascii")


Summands = Annotated[tuple[str, ...] | None, BeforeValidator(_decode_summands), PlainSerializer(_encode_summands)]
"""Of each embedding in a sum, as `summand` gives it; base64 in JSON; None: not known."""


def summand(sha256: str, embedding: NDArray[np.floating]) -> str:
    """What an embedding (D,) of a recording is known by in a sum: the beginnings of both their checksums."""
    digest = hashlib.sha256(embedding.astype("<f4").tobytes()).hexdigest()
    return sha256[: 2 * DIGEST] + digest[: 2 * DIGEST]


class Group(FittedFacts):
    """The set that a baseline is a part of: all recordings, of which it has those with one value."""

    name: str = Field(description="of the baseline of the whole set")
    column: str = Field(description="what its recordings were told apart by: a column, `channel` or `folder`")
    value: str = Field(description="that all recordings of this baseline have")
    count: int = Field(gt=0, description="recordings of the whole set")
    sum: Sums = Field(description="of their embeddings", repr=False)


class Baseline(Fitted):
    """What recordings that are alike have in common for a model.

    Examples:
        >>> baseline = Baseline.find("line3")
        >>> recognizer.recognize("call.mp3", baseline=baseline).emotion
    """

    noun = "baseline"
    error = BaselineError
    made, make, command = "made with", "fit", "emovox baseline fit RECORDINGS"

    format: Literal[1] = FORMAT
    group: Group | None = Field(None, description="null: it is of recordings that stand alone")
    side: Side | None = Field(
        None,
        description="whose voices its recordings are, all of them: what is recognised relative to it is such a "
        "voice where nobody says whose it is; left out: it isn't said",
        exclude_if=lambda value: value is None,
    )
    created_at: AwareDatetime
    emovox: str = Field(description="version of the program")
    source: str = Field(description="what it was made from, in words, for its owner alone; empty: given away")
    count: int = Field(gt=0, description="recordings, each of which counts once")
    sum: Sums = Field(description="of their embeddings", repr=False)
    squares: Sums = Field(description="sum of their squares, for each dimension", repr=False)
    recordings: Digests = Field(
        None,
        description="the first 8 bytes of the SHA-256 of each recording, base64 in the file; null: not all are "
        "known",
        repr=False,
    )
    summands: Summands = Field(
        None,
        description="of each embedding in the sums the first 8 bytes of the SHA-256 of its recording, and of its "
        "own numbers as float32, base64 in the file: so it can be taken out again; null: not all are known",
        repr=False,
    )

    @model_validator(mode="after")
    def _fits(self) -> "Baseline":
        on_the_way = self.name in {SELF, CORPUS} or (self.group is not None and self.group.name == CORPUS)
        if not on_the_way:  # those have no file
            check_name(self.name)
        vectors = [self.sum, self.squares, *([] if self.group is None else [self.group.sum])]
        if any(vector.shape != (self.model.embedding_size,) for vector in vectors):
            raise ValueError(f"its sums aren't {self.model.embedding_size} numbers")
        if not all(np.isfinite(vector).all() for vector in vectors):
            raise ValueError("its sums aren't finite")
        if self.summands is not None and len(self.summands) != self.count:
            raise ValueError(f"it is of {self.count} recordings, and names {len(self.summands)}")
        if self.group is not None and self.group.count < self.count:
            raise ValueError("it has more recordings than the set that it is a part of")
        return self

    @property
    def mean(self) -> Vector:
        """(D,), of the embeddings."""
        return self.sum / self.count

    @cached_property
    def checksum(self) -> str:
        """sha256 of all of it but `source`, so that it is the same of what is given away."""
        return hashlib.sha256(self.model_dump_json(exclude={"source"}).encode()).hexdigest()

    @property
    def anonymous(self) -> "Baseline":
        """The same without `source`, which may have paths and people's names in it."""
        return self.model_copy(update={"source": ""})

    def knows(self, sha256: str) -> bool:
        """Whether the recording with this checksum is one of its own, as far as is known."""
        return has_digest(self.recordings, sha256)

    def check(self, metadata: Metadata) -> None:
        """Refuse another model: with its embeddings nothing would fail, but every score would be wrong.

        Raises:
            BaselineError: the baseline was made with another model.
        """
        self.check_model(metadata)

    @classmethod
    def path_of(cls, name: str) -> Path:
        """As `baseline_path`."""
        return baseline_path(name)

    @classmethod
    def names(cls) -> list[str]:
        """As `names`."""
        return names()


def check_name(name: str) -> str:
    """Return `name` if it is valid for a baseline.

    Raises:
        BaselineError: it isn't: its file might be anywhere, or the word means something else.
    """
    if name in RESERVED:
        raise BaselineError(f"a baseline can't be called {name!r}: `--baseline {name}` means something of its own")
    if not _NAME.fullmatch(name) or name.endswith((SUFFIX, ".", " ")):
        raise BaselineError(
            f"{name!r} can't be the name of a baseline: use up to 128 letters, digits, spaces, dots, "
            f"- and _, a letter or digit first"
        )
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
