"""A snapshot: a model's folder as its hub serves it, read but for its weights; what the families share."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from emovox import files
from emovox.errors import ModelError
from emovox.models.checkpoints.shards import weight_files

MAX_WINDOW = 16_000  # samples; the published models see 400 at once
_MAX_LABEL = 100  # characters

Layer = tuple[
    Annotated[int, Field(ge=1, le=4096)],
    Annotated[int, Field(ge=1, le=1024)],
    Annotated[int, Field(ge=1, le=1024)],
]
"""Channels, width and stride of a convolution."""


def hop_of(layers: Iterable[Layer]) -> int:
    """Samples from one frame to the next, after convolutions one upon the other."""
    hop = 1
    for _, _, stride in layers:
        hop *= stride
    return hop


def width_of(layers: Iterable[Layer]) -> int:
    """Samples that one frame sees: the shortest waveform that gives one."""
    width, hop = 1, 1
    for _, kernel, stride in layers:
        width += (kernel - 1) * hop
        hop *= stride
    return width


@dataclass(frozen=True)
class Grid:
    """Where the frames of a model lie: n samples give 1 + ⌊(n - minimum_samples) / hop⌋.

    Attributes:
        hop: samples from one frame to the next.
        minimum_samples: of the shortest waveform that gives one.
        first_centre: of the first one, in samples.
    """

    hop: int
    minimum_samples: int
    first_centre: float

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> "Grid":
        """That of strided convolutions one upon the other."""
        return cls(hop_of(layers), width_of(layers), width_of(layers) / 2)


@dataclass(frozen=True, kw_only=True)
class Snapshot(ABC):
    """A model's folder, read but for its weights; each family has its own.

    Attributes:
        directory: where it is.
        weights: the checkpoint; where it is several files, their index.
    """

    directory: Path
    weights: Path

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where its frames lie."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """D, width of an embedding."""

    @property
    def has_head(self) -> bool:
        """Whether it gives more than embeddings."""
        return True

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the weights: one, or those of the index.

        Raises:
            ModelError: one of them is missing.
        """
        return weight_files(self.weights)

    def sha256(self) -> str:
        """Return the checksum of the weights, in hexadecimal; that of several files is that of their checksums.

        Raises:
            ModelError: a file can't be read.
        """
        try:
            checksums = [files.digest(file) for file in self.weight_files]
        except OSError as error:
            raise ModelError(f"{error.filename} can't be read: {error.strerror or error}") from error
        if len(checksums) == 1:
            return checksums[0]
        return hashlib.sha256("".join(checksums).encode()).hexdigest()


def is_label(value: object) -> bool:
    """Whether it can name a class, in a table or a file: a line of text, and not a long one."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= _MAX_LABEL


def refusal(error: ValidationError, name: str, *prefix: str) -> ModelError:
    """What to say of the first of the settings that can't be computed, in the file ``name`` under ``prefix``."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in (*prefix, *first["loc"]))
    return ModelError(f"{name}: {where}: {first['msg']}")
