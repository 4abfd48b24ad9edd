"""A timeline as clients see it."""

from pydantic import BaseModel, Field

from emovox.inference.recognition import Segment
from emovox.models.readout import Kind


def _is_none(value: object) -> bool:
    return value is None


Series = dict[str, list[float | None]]
"""By label, a number for each point: the mean over its frames; null where none of them counts, as in silence."""


class ReadoutCurve(BaseModel):
    """The curve of one readout: scores of its classes, or values."""

    kind: Kind = Field(description="`linear`: smoothed logits; else it is computed on a sliding window")
    range: tuple[float, float] | None = Field(
        None, description="of values: what the model was trained on", exclude_if=_is_none
    )
    scores: Series | None = Field(None, description="of each class, as the model spells it", exclude_if=_is_none)
    scores_without: Series | None = Field(
        None, description="as they would be without the baseline, if there is one", exclude_if=_is_none
    )
    values: Series | None = Field(None, description="each by its name, such as arousal", exclude_if=_is_none)


class Curve(BaseModel):
    """Scores and values over time."""

    times: list[float] = Field(description="seconds, one for each point")
    scores: dict[str, list[float]] = Field(
        description="of each emotion, one for each point: the mean over its frames; empty for a model that "
        "doesn't give the nine"
    )
    scores_without: dict[str, list[float]] | None = Field(
        None, description="as they would be without the baseline, if there is one", exclude_if=_is_none
    )
    readouts: dict[str, ReadoutCurve] = Field(
        description="by name: the curves of all readouts but the nine emotions, trained heads too"
    )


class Timeline(BaseModel):
    """A stretch of a recording, in no more points than requested."""

    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    duration: float = Field(description="of the whole recording, seconds")
    low: list[float] = Field(
        description="lowest sample in each of equal spans, -1 to 1; empty where the sound isn't kept"
    )
    high: list[float] = Field(description="highest sample; likewise")
    curve: Curve | None = Field(description="null if no frames are stored, or their file is gone or damaged")
    segments: list[Segment] | None = Field(
        description="those that overlap the stretch; null if none are stored, or they were not asked for"
    )
