"""How far the states of speakers lie apart, and other voices made of that."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.corpus import ACTED, Clip
from training.states import States

Floats = NDArray[np.float32]


class Voices:
    """Draws shifts of states that are spread as speakers are who say the same emotion.

    A few speakers are soon learnt by heart, and what a network took for an emotion was the voice: with the shifts
    it hears each clip in many.
    """

    def __init__(self, clips: Sequence[Clip], states: States) -> None:
        """Compare the speakers of acted speech, each with the others of the same corpus and label."""
        means: defaultdict[tuple[str, str, str], list[Floats]] = defaultdict(list)
        for clip in clips:
            if clip.corpus in ACTED:
                mean = states.of(clip).mean(axis=0, dtype=np.float32)
                means[clip.corpus, clip.label, clip.speaker].append(mean)
        groups: defaultdict[tuple[str, str], list[Floats]] = defaultdict(list)
        for (corpus, label, _), own in means.items():
            groups[corpus, label].append(np.mean(own, axis=0))
        apart = [mean - np.mean(group, axis=0) for group in groups.values() for mean in group]
        width = states.width
        self.deviations = np.array(apart, np.float32).reshape(-1, width) / np.float32(max(1, len(apart)) ** 0.5)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Shifts, (count, S), whose covariance is that of the speakers."""
        weights = rng.standard_normal((count, len(self.deviations)), np.float32)
        shifts: Floats = weights @ self.deviations
        return shifts
