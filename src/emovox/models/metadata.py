"""Metadata: what every model file under the contract says of itself, in ONNX's properties.

A file under contract 1 is read as one whose only readout is the nine emotions.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.readout import EMOTION, Readout

CONTRACT = 2
_PREFIX = "emovox."
_TUPLES = {"readouts", "corpora"}

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
    licence: Annotated[
        str, Field(description="licence of the weights, in words, as SPDX if there is an identifier")
    ]
    source: Annotated[str, Field(description="where the weights come from, in a sentence")]
    source_sha256: Annotated[str, Field(description="checksum of the weights it was made from")]
    readouts: Annotated[tuple[Readout, ...], Field(description="what it gives besides embeddings")] = ()
    corpora: Annotated[
        tuple[str, ...], Field(description="speech that it was trained on, where that is known")
    ] = ()
    sample_rate: Annotated[int, Field(description="samples a second of the waveform")] = 16_000
    hop: Annotated[int, Field(description="samples from one frame to the next", gt=0)]
    first_centre: Annotated[float, Field(description="centre of the first frame, seconds", ge=0)]
    minimum_samples: Annotated[int, Field(description="shortest waveform that gives a frame", gt=0)]
    embedding_size: Annotated[int, Field(description="D, width of an embedding", gt=0)]

    @model_validator(mode="after")
    def _consistent(self) -> "Metadata":
        names = [readout.name for readout in self.readouts]
        if len(set(names)) != len(names):
            raise ValueError("two readouts have one name")
        for readout in self.readouts:
            for label, mean in readout.reference.items():
                if mean.embedding.shape != (self.embedding_size,):
                    raise ValueError(f"the reference mean of {label!r:.100} hasn't the width of an embedding")
        return self

    @property
    def emotions(self) -> Readout | None:
        """The readout from which the scores of the nine follow; None: there is none."""
        return next((readout for readout in self.readouts if readout.gives_emotions), None)

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the nine that it tells apart, in their order; the others score 0."""
        readout = self.emotions
        return () if readout is None else tuple(name for name in NAMES if name in readout.emotions.values())

    @property
    def embeddings_of(self) -> str:
        """The revision whose embeddings these are: what was fitted to them fits all revisions that share them."""
        return self.embedding_revision or self.revision

    def to_properties(self) -> dict[str, str]:
        """As text properties of an ONNX file; tuples and numbers as JSON, None left out."""
        facts = self.model_dump(mode="json", exclude_defaults=True) | {"contract": CONTRACT}
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
            if facts.get("contract") == "1":
                facts = _upgraded(facts)
            for key in _TUPLES & facts.keys():
                facts[key] = json.loads(facts[key])
            metadata = cls.model_validate(facts)
        except (ValidationError, ValueError) as error:
            raise ModelError(f"the model's metadata can't be used: {' '.join(str(error).split())}") from error
        if metadata.contract not in (1, CONTRACT) or metadata.sample_rate != 16_000:
            raise ModelError(
                f"the model has contract {metadata.contract} at {metadata.sample_rate} Hz; this program needs "
                f"contract {CONTRACT}, or 1, and 16000 Hz"
            )
        return metadata


def _upgraded(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a file under contract 1, which knew nothing but the nine, as this contract puts them."""
    labels, classes = (json.loads(facts.pop(key, "null")) for key in ("labels", "classes"))
    if labels != list(NAMES):
        raise ValueError("contract 1 is of the nine emotions, in their order")
    readout = {
        "name": EMOTION,
        "kind": "linear",
        "activation": "softmax",
        "labels": classes,
        "emotions": {name: name for name in classes},
    }
    return {**facts, "readouts": json.dumps([readout] if classes else [])}
