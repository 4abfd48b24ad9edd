"""What a user fitted to a model's embeddings, in a small JSON file by its name: a head, a baseline."""

import base64
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from emovox import files, private
from emovox.errors import EmovoxError
from emovox.models.metadata import Metadata

if TYPE_CHECKING:
    from typing_extensions import Self

SUFFIX = ".json"
DIGEST = 8  # bytes of a recording's SHA-256 that are stored: enough to tell ten million apart
MAX_BYTES = 64 * 2**20  # 4000 classes of Large's embeddings


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
"""The first bytes of the SHA-256 of recordings, in hexadecimal; base64 in JSON; None: not known."""


def has_digest(digests: frozenset[str] | None, sha256: str) -> bool:
    """Whether the recording with this checksum is among them, as far as is known."""
    return digests is not None and sha256[: 2 * DIGEST] in digests


class FittedFacts(BaseModel):
    """The base of all in such a file; fields of later versions are ignored."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")


class FittedModel(FittedFacts):
    """The model on whose embeddings something was fitted. A model that differs in any of this is another."""

    name: str
    revision: str = Field(description="whose embeddings these are: a later one may give the same")
    source_sha256: str = Field(description="checksum of the weights that the model's file was made from")
    embedding_size: int = Field(gt=0)

    @classmethod
    def of(cls, metadata: Metadata) -> "FittedModel":
        """As a model's metadata says."""
        facts = metadata.model_dump(include=set(cls.model_fields))
        return cls.model_validate({**facts, "revision": metadata.embeddings_of})


class Fitted(FittedFacts):
    """The base of heads and baselines.

    Attributes:
        noun: what it is called in messages.
        error: what is raised.
        made, make: how it was, and how to, in messages: `trained on`, `train`.
        command: that makes one, without its name.
    """

    noun: ClassVar[str]
    error: ClassVar[type[EmovoxError]]
    made: ClassVar[str]
    make: ClassVar[str]
    command: ClassVar[str]

    format: int = Field(description="version of the file")
    name: str
    model: FittedModel = Field(description="whose embeddings these are")

    @classmethod
    @abstractmethod
    def path_of(cls, name: str) -> Path:
        """The file of that name, whether it is there or not; raises `error` if none can have it."""

    @classmethod
    @abstractmethod
    def names(cls) -> list[str]:
        """The names of the user's, sorted."""

    def check_model(self, metadata: Metadata) -> None:
        """Refuse another model: with its embeddings nothing would fail, but every score would be wrong."""
        other = FittedModel.of(metadata)
        if self.model == other:
            return
        same = (self.model.name, self.model.revision) == (other.name, other.revision)
        weights = " (same name, other weights)" if same else ""
        revision = upgrade = ""
        if self.model.name == other.name and not same:
            revision = f" {self.model.name}@{self.model.revision}"
            upgrade = (
                f"; `emovox archive upgrade --model {other.name}@{other.revision}` does that for all that it can"
            )
        raise self.error(
            f"the {self.noun} {self.name} was {self.made} the model {self.model.name} {self.model.revision}, not "
            f"{self.made.split()[-1]} {metadata.name} {metadata.revision}{weights}: choose that model with "
            f"--model{revision}, or {self.make} a {self.noun} for this one{upgrade}"
        )

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all; raises `error` if it can't be written."""
        try:
            private.make_directory(path.parent)
            files.write(path, f"{self.model_dump_json(indent=1)}\n".encode())
        except OSError as error:
            raise self.error(f"{path}: can't be written: {error.strerror or error}") from error

    @classmethod
    def read(cls, path: Path) -> "Self":
        """Read a file that `write` made; raises `error` if it isn't one. Nothing in it is executed."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise cls.error(f"{path}: not a {cls.noun}: it is larger than {MAX_BYTES >> 20} MB")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise cls.error(f"{path}: can't be read: {error.strerror or error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise cls.error(f"{path}: not a {cls.noun} of Emovox, or damaged ({where}: {first['msg']})") from error

    @classmethod
    def find(cls, given: "str | Path | Self") -> "Self":
        """One by its name among the user's, or by its path, which has a slash or ends in .json; raises `error`."""
        if isinstance(given, cls):
            return given
        text = str(given)
        if isinstance(given, Path) or text.endswith(SUFFIX) or "/" in text or "\\" in text:
            return cls.read(Path(text))
        path = cls.path_of(text)
        if not path.is_file():
            choice = f"choose {', '.join(cls.names())}, or {cls.make}" if cls.names() else cls.make
            raise cls.error(f"no {cls.noun} {text!r}: {choice} it with `{cls.command} --name {text}`")
        return cls.read(path)
