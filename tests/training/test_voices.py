"""Shifts towards other voices are spread as the speakers heard in training are, and no further."""

import numpy as np
import pytest

pytest.importorskip("soxr")
pytest.importorskip("scipy")
pytest.importorskip("onnx")

from training.corpus import Clip
from training.states import States
from training.voices import Voices

WIDTH = 4


def material(means: dict[tuple[str, str, str], list[float]]) -> tuple[list[Clip], States]:
    """A clip of two equal frames for each (corpus, label, speaker)."""
    clips = [Clip(f"{number}.wav", label, who, corpus) for number, (corpus, label, who) in enumerate(means)]
    values = np.repeat(np.array(list(means.values()), np.float16), 2, axis=0)
    return clips, States({clip.path: values[2 * row : 2 * row + 2] for row, clip in enumerate(clips)})


def test_the_spread_is_that_of_the_speakers_of_a_label() -> None:
    clips, states = material(
        {
            ("nemo", "sad", "a"): [1, 0, 9, 0],
            ("nemo", "sad", "b"): [-1, 0, 9, 0],
            ("nemo", "angry", "a"): [0, 2, -9, 0],
            ("nemo", "angry", "b"): [0, -2, -9, 0],
        }
    )
    shifts = Voices(clips, states).draw(20_000, np.random.default_rng(0))
    assert shifts.dtype == np.float32
    # Labels lie 18 apart in the third, and that is no voice.
    assert np.cov(shifts.T) == pytest.approx(np.diag([0.5, 2, 0, 0]), abs=0.1)


def test_speakers_of_other_corpora_move_nothing() -> None:
    clips, states = material({("esc10", "unknown", "a"): [1, 0, 0, 0], ("esc10", "unknown", "b"): [0, 1, 0, 0]})
    assert not Voices(clips, states).draw(5, np.random.default_rng(0)).any()


def test_one_speaker_alone_has_no_other_voice() -> None:
    clips, states = material({("emodb", "sad", "a"): [1, 2, 3, 4], ("emodb", "angry", "a"): [4, 3, 2, 1]})
    assert not Voices(clips, states).draw(5, np.random.default_rng(0)).any()
