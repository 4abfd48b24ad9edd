"""What an evaluation is relative to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from emovox.audio import lists
from emovox.baselines.baseline import CORPUS, SELF, SPEAKER, Baseline
from emovox.baselines.corpus import CorpusBaselines
from emovox.errors import BaselineError, LabelsError, OptionsError
from emovox.inference.baseline_facts import BaselineFacts
from emovox.labels.label_list import Labelled
from emovox.models.head import Head
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout


@dataclass(frozen=True)
class Relative:
    """The baseline of an evaluation.

    Attributes:
        name: of the baseline; `corpus` or `speaker`.
        count: recordings that it was made of.
        checksum: of the baseline, of `speaker` that of the corpus on which all lean.
        speakers: how many have one of their own; None: nobody was asked for.
        expectation: share of each emotion that its recordings were taken to have.
    """

    name: str
    count: int
    checksum: str
    speakers: int | None
    expectation: Mapping[str, float]

    @classmethod
    def of(cls, facts: BaselineFacts) -> "Relative":
        """One that was fitted before."""
        return cls(facts.name, facts.count, facts.checksum, None, facts.expectation)

    @classmethod
    def of_corpus(
        cls, baselines: CorpusBaselines, expectation: Mapping[str, float], *, by_speaker: bool
    ) -> "Relative":
        """That of the recordings themselves."""
        whole, count = baselines.whole, len(baselines.by_speaker) if by_speaker else None
        return cls(SPEAKER if by_speaker else CORPUS, whole.count, whole.checksum, count, expectation)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "expectation": dict(self.expectation)}

    def sentence(self, nouns: str = "recordings") -> str:
        """What was done, for the report; `nouns` is what the list has."""
        expected = ", ".join(f"{name} {share:.2g}" for name, share in self.expectation.items())
        if self.name not in {CORPUS, SPEAKER}:
            noun = "recording" if self.count == 1 else "recordings"
            return f"Relative to the baseline {self.name}, of {self.count} {noun}; expected in it: {expected}."
        kind = "each speaker" if self.speakers is not None else "the corpus"
        own = "" if self.speakers is None else f", of {self.speakers} speakers, each of whom leans on all of them"
        return (
            f"Relative to {kind}: all {nouns} of this list that have speech ({self.count}{own}), without their "
            "labels. So the figures are those of somebody who has them all before the first is judged. Expected "
            f"among them: {expected}."
        )


def check_movable(
    baseline: Baseline | str | None, metadata: Metadata, readout: Readout | None, head: Head | None
) -> None:
    """Refuse a baseline that would change nothing.

    Raises:
        BaselineError: it wouldn't; the message says why.
        OptionsError: it is `self`.
    """
    if baseline is None:
        return
    if baseline == SELF:
        raise OptionsError("baseline self: it leaves the verdict on a recording as it is: nothing to evaluate")
    if head is not None:
        raise BaselineError("a trained head isn't moved by a baseline: it learnt from embeddings as they are")
    if readout is not None and readout is not metadata.emotions:
        raise BaselineError(f"{readout.name} isn't moved by a baseline: only the emotions are")


def speaker_column(rows: Sequence[Labelled], source: Path) -> str:
    """The list's column `speaker`.

    Raises:
        LabelsError: it has none; the message lists the columns.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row.groups))
    try:
        return lists.column(columns, SPEAKER, (), str(source))
    except LabelsError:
        raise LabelsError(
            f"{source}: no column {SPEAKER!r}, which --baseline speaker needs; others than recording and label: "
            f"{', '.join(columns) or 'none'}"
        ) from None
