"""A snapshot: a model's folder as its hub serves it, read but for its weights; what the families share."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from emovox import files
from emovox.errors import ModelError

MAX_WINDOW = 16_000  # samples; the published models see 400 at once
_MAX_LABEL = 100  # characters
_MAX_TEXT = 200_000  # bytes; the published configs have some 4 kB, and PyYAML takes a second for 100 kB

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


@dataclass(frozen=True, kw_only=True)
class Snapshot(ABC):
    """A model's folder, read but for its weights; each family has its own.

    Attributes:
        directory: where it is.
        weights: the checkpoint.
    """

    directory: Path
    weights: Path

    @property
    @abstractmethod
    def convolutions(self) -> Sequence[Layer]:
        """The strided convolutions that make frames of the waveform."""

    @property
    @abstractmethod
    def embedding_size(self) -> int:
        """D, width of an embedding."""

    def sha256(self) -> str:
        """Return the checksum of the weights, in hexadecimal.

        Raises:
            ModelError: the file can't be read.
        """
        try:
            return files.digest(self.weights)
        except OSError as error:
            raise ModelError(f"{self.weights} can't be read: {error.strerror or error}") from error


def read_text(path: Path) -> str:
    """Read a small text file of a snapshot.

    Raises:
        ModelError: it can't be read, is too long for one, or isn't text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TEXT + 1)
        if len(content) > _MAX_TEXT:
            raise ModelError(f"{path.name} is over {_MAX_TEXT // 1000} kB, too large for a file of a snapshot")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path.name} is not UTF-8 text") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a small file of settings in JSON.

    Raises:
        ModelError: as `read_text`, or it holds no settings.
    """
    try:
        settings = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path.name} is not valid JSON") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path.name} has no settings")
    return settings


def is_label(value: object) -> bool:
    """Whether it can name a class, in a table or a file: a line of text, and not a long one."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= _MAX_LABEL


def refusal(error: ValidationError, name: str, *prefix: str) -> ModelError:
    """What to say of the first of the settings that can't be computed, in the file ``name`` under ``prefix``."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in (*prefix, *first["loc"]))
    return ModelError(f"{name}: {where}: {first['msg']}")
