"""What a result says of the baseline that it is relative to."""

from typing import Any

from pydantic import Field

from emovox.baselines.shift import Shift
from emovox.inference.facts import Facts
from emovox.models.metadata import Metadata
from emovox.models.readout import Temperatures


def _optional(schema: dict[str, Any]) -> None:
    """Without the default, by which generated types take a field for one that is always there."""
    schema.pop("default", None)


class BaselineFacts(Facts):
    """The baseline, and how far it moved the logits of each readout."""

    name: str
    count: int = Field(description="recordings that it was made of", gt=0)
    checksum: str = Field(description="sha256 of the baseline")
    expectation: dict[str, float] = Field(
        description="share of each emotion that its recordings were taken to have; they sum to 1"
    )
    shift: dict[str, dict[str, float]] = Field(
        description="by readout and label: what was added to the logits; those in `frames` are without it"
    )
    temperatures: Temperatures = Field(
        (),
        description="pairs, for scores of the whole and of segments: seconds of speech, and what the sum was "
        "divided by there; left out where it wasn't",
        exclude_if=lambda value: not value,
        json_schema_extra=_optional,
    )

    @classmethod
    def of(cls, shift: Shift, metadata: Metadata) -> "BaselineFacts":
        """As it was applied to a model."""
        baseline = shift.baseline
        return cls(
            name=baseline.name,
            count=baseline.count,
            checksum=baseline.checksum,
            expectation=shift.expectation,
            shift={shift.readout: shift.logits},
            temperatures=next(item.temperatures for item in metadata.readouts if item.name == shift.readout),
        )
