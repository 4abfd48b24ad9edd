from pathlib import Path

import numpy as np
import pytest

from emovox.models import reference
from emovox.models.reference import labelled_clips, measure, with_reference
from emovox.models.runtime.engine import Engine
from emovox.settings import settings
from support import tiny
from support.baselines import with_reference as brought


def engine(path: Path, *readouts: object) -> Engine:
    return Engine(tiny.write(path / "tiny.onnx", readouts=readouts), threads=1)


def test_it_is_the_mean_of_the_clips_of_an_emotion(tmp_path: Path) -> None:
    own = engine(tmp_path, tiny.CALLS)
    means = measure(own)
    assert set(means) == {"angry", "disgusted", "fearful", "happy", "neutral", "sad"}
    calm = [own.run([clip])[0].embedding for emotion, clip in labelled_clips() if emotion == "neutral"]
    np.testing.assert_allclose(means["neutral"].embedding, np.mean(calm, axis=0), rtol=1e-5)
    assert (means["neutral"].count, means["neutral"].source) == (20, "EmoDB")
    assert all(len(clip) > 16_000 / 2 for _, clip in labelled_clips())


def test_it_is_measured_once_and_by_the_models_own_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = engine(tmp_path, tiny.CALLS)
    said: list[str] = []
    metadata = with_reference(own, settings().cache, notice=said.append)
    assert metadata.emotions is not None
    assert set(metadata.emotions.reference) == set(tiny.CALLS.labels)
    assert metadata.emotions.reference["angry"] == metadata.emotions.reference["furious"]
    assert said == ["measuring where emotions lie for tiny on 115 clips (only once)"]
    monkeypatch.setattr(reference, "measure", None)
    assert with_reference(own, settings().cache, notice=said.append) == metadata
    assert len(said) == 1
    assert own.metadata.emotions is not None
    assert not own.metadata.emotions.reference  # what is in the file stays


def test_what_a_model_brings_is_taken_and_what_has_no_emotions_is_left(tmp_path: Path) -> None:
    for readout in (brought(tiny.EMOTIONS, angry=1.0), tiny.FOREIGN):
        own = engine(tmp_path, readout)
        assert with_reference(own, settings().cache) is own.metadata
