"""Metadata: what every model file under the contract says of itself, in ONNX's properties."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox.emotions import NAMES
from emovox.errors import ModelError

CONTRACT = 1
_PREFIX = "emovox."

Precision = Literal["fp32", "bf16", "fp16", "int8"]


class Metadata(BaseModel):
    """The facts that a model file carries; the program trusts these, and no table elsewhere.

    n samples give 1 + (n - minimum_samples) // hop frames, in every model: so windows that start at multiples of
    `hop` and reach `minimum_samples - hop` into the next one tile a long recording with its own frames.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: Annotated[int, Field(description="version of the input and output contract")] = CONTRACT
    name: Annotated[str, Field(description="catalog name", min_length=1)]
    revision: Annotated[str, Field(description="version of the weights")]
    embedding_revision: Annotated[
        str | None,
        Field(description="an earlier revision that gives the very same embeddings; None: none does"),
    ] = None
    embedding_checksum: Annotated[
        str | None, Field(description="checksum of that revision's file, under which its embeddings are cached")
    ] = None
    precision: Annotated[Precision, Field(description="of the arithmetic, by default")]
    licence: Annotated[str, Field(description="licence of the weights, as SPDX if there is an identifier")]
    source: Annotated[str, Field(description="where the weights come from, in a sentence")]
    source_sha256: Annotated[str, Field(description="checksum of the weights it was made from")]
    labels: Annotated[tuple[str, ...], Field(description="columns of the logits, in order")] = NAMES
    classes: Annotated[
        tuple[str, ...],
        Field(description="labels that the head was trained on, none without a head; the others score 0"),
    ]
    sample_rate: Annotated[int, Field(description="samples a second of the waveform")] = 16_000
    hop: Annotated[int, Field(description="samples from one frame to the next", gt=0)]
    first_centre: Annotated[float, Field(description="centre of the first frame, seconds", ge=0)]
    minimum_samples: Annotated[int, Field(description="shortest waveform that gives a frame", gt=0)]
    embedding_size: Annotated[int, Field(description="D, width of an embedding", gt=0)]

    @property
    def embeddings_of(self) -> str:
        """The revision whose embeddings these are: what was fitted to them fits all revisions that share them."""
        return self.embedding_revision or self.revision

    def to_properties(self) -> dict[str, str]:
        """As text properties of an ONNX file; tuples and numbers as JSON, None left out."""
        facts = self.model_dump(mode="json", exclude_none=True)
        return {
            _PREFIX + key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()
        }

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> "Metadata":
        """Read what `to_properties` wrote.

        Raises:
            ModelError: the properties aren't those of a model under this contract.
        """
        facts: dict[str, Any] = {
            key.removeprefix(_PREFIX): value for key, value in properties.items() if key.startswith(_PREFIX)
        }
        if not facts:
            raise ModelError("this ONNX file is not an Emovox model: it carries no emovox.* metadata")
        try:
            for key in ("labels", "classes"):
                facts[key] = json.loads(facts.get(key, "null"))
            metadata = cls.model_validate(facts)
        except (ValidationError, ValueError) as error:
            raise ModelError(f"the model's metadata can't be used: {' '.join(str(error).split())}") from error
        if metadata.contract != CONTRACT or metadata.labels != NAMES or metadata.sample_rate != 16_000:
            raise ModelError(
                f"the model has contract {metadata.contract} with {len(metadata.labels)} labels at "
                f"{metadata.sample_rate} Hz; this program needs contract {CONTRACT}, the nine emotions, 16000 Hz"
            )
        if not set(metadata.classes) <= set(NAMES):
            raise ModelError("the model's metadata names a class that is not one of the nine emotions")
        return metadata
