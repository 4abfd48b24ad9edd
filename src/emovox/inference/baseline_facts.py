"""What a result says of the baseline that it is relative to."""

from pydantic import Field

from emovox.baselines.shift import Shift
from emovox.inference.facts import Facts


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

    @classmethod
    def of(cls, shift: Shift) -> "BaselineFacts":
        """As it was applied."""
        baseline = shift.baseline
        return cls(
            name=baseline.name,
            count=baseline.count,
            checksum=baseline.checksum,
            expectation=shift.expectation,
            shift={shift.readout: shift.logits},
        )
