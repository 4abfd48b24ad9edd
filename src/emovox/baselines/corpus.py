"""The baselines of a corpus: of all recordings of a run, and of each speaker among them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.baseline import CORPUS, SPEAKER, Baseline
from emovox.baselines.fitting import Totals
from emovox.errors import BaselineError
from emovox.models.metadata import Metadata


@dataclass(frozen=True)
class CorpusBaselines:
    """Of a corpus and its speakers.

    Attributes:
        whole: of all recordings.
        by_speaker: of those of each speaker, leaning on the whole.
    """

    whole: Baseline
    by_speaker: Mapping[str, Baseline]

    def of(self, speaker: str | None) -> Baseline:
        """A speaker's; that of the whole where nobody is named, or somebody who never speaks."""
        return self.by_speaker.get(speaker or "", self.whole)


class Corpus:
    """What is added up while recordings pass, in any order. No label is asked for."""

    def __init__(self, metadata: Metadata) -> None:
        """Begin; `metadata` is the model's."""
        self._metadata = metadata
        self._totals: dict[str | None, Totals] = {None: Totals(metadata)}  # by speaker; None: all
        self._contents: set[tuple[str, str | None]] = set()

    def add(
        self, embedding: NDArray[np.float32], sha256: str, *, channel: int | None = None, speaker: str
    ) -> None:
        """Add a recording, or a channel of one. The same content counts once, and once for each of its speakers.

        Args:
            embedding: (D,), of its speech.
            sha256: of the recording.
            channel: of it, where each is by itself.
            speaker: whose it is; "": it isn't known.
        """
        for value in (None, speaker) if speaker else (None,):
            content = (f"{sha256} {channel}", value)
            if content not in self._contents:
                self._contents.add(content)
                self._totals.setdefault(value, Totals(self._metadata)).add(embedding[np.newaxis], [sha256])

    def baselines(self, source: str, *, created_at: datetime | None = None) -> CorpusBaselines:
        """What they have in common.

        Args:
            source: what the recordings are, in words.
            created_at: when the last of them was recognised; by default now.

        Raises:
            BaselineError: there is none.
        """
        if not self._totals[None].count:
            raise BaselineError("none of the recordings has speech: there is nothing to be relative to")
        everyone = self._totals[None]
        by_speaker = {
            value: totals.baseline(
                f"{SPEAKER} {value}", source, everyone.group(CORPUS, SPEAKER, value), created_at=created_at
            )
            for value, totals in self._totals.items()
            if value is not None
        }
        return CorpusBaselines(everyone.baseline(CORPUS, source, created_at=created_at), by_speaker)
