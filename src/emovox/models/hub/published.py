"""Published files: their sizes and checksums, and the record of where a snapshot came from."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SOURCE_FILE = "source.json"
_BLOCK = 2**20  # bytes

Checksum = Annotated[str, Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]


class PublishedFile(BaseModel):
    """A file as its hub lists it."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(description="in the snapshot, parts separated by /")]
    size: Annotated[int, Field(description="bytes", ge=0, le=2**50, strict=True)]
    algorithm: Annotated[
        Literal["sha256", "git-sha1"],
        Field(description="git-sha1: of the blob object, which is what Hugging Face publishes for small files"),
    ]
    checksum: Checksum

    def matches(self, file: Path) -> bool:
        """Whether ``file`` is this very file, by size and checksum."""
        if not file.is_file() or file.stat().st_size != self.size:
            return False
        # Git hashes a header before the content: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        digest = (
            hashlib.sha256()
            if self.algorithm == "sha256"
            else hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        )
        with file.open("rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest() == self.checksum


class SnapshotSource(BaseModel):
    """Where a snapshot came from; `source.json` in its directory."""

    model_config = ConfigDict(frozen=True)

    hub: Literal["huggingface", "modelscope"]
    repository: Annotated[str, Field(description="the model's id there")]
    address: Annotated[str, Field(description="of the hub or mirror that served it")]
    revision: Annotated[str, Field(description="branch, tag or commit that was requested")]
    commit: Annotated[str | None, Field(description="its commit; ModelScope doesn't say")]
    pulled: Annotated[str, Field(description="when, UTC, ISO 8601")]
    files: tuple[PublishedFile, ...]

    @classmethod
    def read(cls, snapshot: Path) -> "SnapshotSource | None":
        """The record in a snapshot's directory; None if there is none, as in a snapshot from elsewhere."""
        try:
            return cls.model_validate_json((snapshot / SOURCE_FILE).read_bytes())
        except (OSError, ValidationError):
            return None
