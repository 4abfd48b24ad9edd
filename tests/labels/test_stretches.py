from pathlib import Path

import numpy as np
import pytest

from emovox.errors import AudioError
from emovox.heads.dataset import embed
from emovox.inference.recognizer import Recognizer
from emovox.labels import Labelled
from emovox.labels.stretches import sound_of
from emovox.models.converted.clips import example_clips


def stretch(path: Path, start: float, end: float) -> Labelled:
    return Labelled(path, "x", f"{path.name}#t={start:g},{end:g}", span=(start, end))


def test_the_sound_of_a_stretch(examples: list[Path]) -> None:
    waveform = example_clips()[0]
    sound = sound_of(stretch(examples[0], 0.25, 1))
    assert isinstance(sound, tuple)
    np.testing.assert_array_equal(sound[0], waveform[4000:16_000])
    assert sound[1] == 16_000
    assert sound_of(Labelled(examples[0], "x", "x")) == examples[0]
    with pytest.raises(AudioError, match=r"the recording ends at [\d.]+ s, before this stretch of it"):
        sound_of(stretch(examples[0], 100, 101))
    with pytest.raises(AudioError):
        sound_of(stretch(examples[0].with_name("gone.wav"), 0, 1))


def test_stretches_have_embeddings_of_their_own(
    recognizer: Recognizer, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [stretch(examples[0], 0, 0.8), stretch(examples[0], 0.8, 1.6), stretch(examples[0], 99, 100)]
    whole = Labelled(examples[0], "x", "x")
    first, kept, failures, sha256s = embed([*rows, whole], recognizer)
    assert kept == [*rows[:2], whole]
    assert [name for name, _ in failures] == [rows[2].name]
    assert len(set(sha256s)) == 1  # the recording's: by it they are found when it is deleted
    assert len({embedding.tobytes() for embedding in first}) == 3
    expected = recognizer.recognize((example_clips()[0][:12_800], 16_000), embedding=True).embedding
    assert expected is not None
    np.testing.assert_allclose(first[0], expected[0], atol=1e-5)
    monkeypatch.setattr(Recognizer, "recognize", None)
    again, _, _, _ = embed([*rows[:2], whole], recognizer)
    np.testing.assert_array_equal(again, first)
