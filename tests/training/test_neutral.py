"""How neutral's constant is chosen."""

import numpy as np
import pytest

pytest.importorskip("torch")

from emovox.emotions import NAMES
from training.corpus import Clip
from training.experiments import Heard, with_neutral
from training.neutral import CONSTANTS, STREAM, choose, measured


def heard(labels: str, verdicts: str) -> Heard:
    """Clips by the first letters of their labels, and what they are taken for by 1."""
    names = {name[0]: name for name in ("angry", "happy", "neutral", "sad")}
    clips = [Clip(f"{number}.wav", names[label], "x", "y") for number, label in enumerate(labels)]
    logits = np.array([[float(name == names[verdict]) for name in NAMES] for verdict in verdicts], np.float32)
    return Heard(clips, logits, np.zeros(len(clips), np.int64))


def test_a_constant_moves_what_is_less_sure_than_it() -> None:
    clips = heard("nnas", "nhas")
    assert measured(clips)["neutral"] == 0.5
    small = measured(Heard(clips.clips, with_neutral(clips.logits, 0.5), clips.folds))
    assert [small[figure] for figure in ("unweighted", "neutral", "others")] == [5 / 6, 0.5, 1]
    moved = measured(Heard(clips.clips, with_neutral(clips.logits, 1.5), clips.folds))
    assert [moved[figure] for figure in ("neutral", "others", "stream")] == [1, 0, STREAM]


def test_the_constant_is_the_greatest_that_costs_a_point_at_most() -> None:
    def curve(unweighted: list[float]) -> dict[str, dict[str, float]]:
        return {
            f"{constant:g}": {"unweighted": value, "neutral": 0.3 + constant / 10, "others": 0.5 - constant / 100}
            for constant, value in zip(CONSTANTS, unweighted, strict=True)
        }

    falling = curve([0.5, 0.51, 0.505, 0.495, 0.48, 0.46, 0.4])
    level = curve([0.5, 0.51, 0.52, 0.52, 0.51, 0.49, 0.4])
    everyday = [{key: {"neutral": 0.5} for key in falling}]
    assert choose([falling], everyday) == 1.5
    assert choose([falling, level], everyday) == 2.0
    assert choose([curve([0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])], everyday) == 0
