"""A fit is made once, and is what it was when it is read again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from support.whisper import WIDTH, random_weights
from training import kept
from training.corpus import Clip
from training.graph import Encoder
from training.kept import kept_embeddings, kept_fit, key_of
from training.material import Material
from training.network import Shape
from training.sampling import Options, Stage
from training.states import States

OPTIONS = Options(
    stages=(Stage(steps=3, batch=4, frames=4, rate=1e-3),), shape=Shape(units=6, members=3), warming=2
)
TUNED = replace(OPTIONS, stages=(*OPTIONS.stages, Stage(steps=2, batch=4, frames=4, rate=1e-3, block_rate=1e-4)))


@pytest.fixture(scope="module")
def material() -> Material:
    """Six clips of noise."""
    rng = np.random.default_rng(0)
    clips = [
        Clip(f"{label}-{take}.wav", label, str(take % 2), "emodb")
        for label in ("angry", "sad")
        for take in range(3)
    ]
    states = States({clip.path: rng.normal(0, 1, (5, 2 * WIDTH)).astype(np.float16) for clip in clips})
    return Material(clips, {}, Encoder(random_weights(0), 1, (0, 2)), "", [states], {})


@pytest.mark.parametrize("options", [OPTIONS, pytest.param(TUNED, marks=pytest.mark.slow)])
def test_a_fit_is_made_once(
    material: Material, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, network = kept_fit(material, material.clips, options, seed=0, work=tmp_path)
    first = kept_embeddings(key, network, material.clips, material.versions[0], "recorded", work=tmp_path)
    monkeypatch.delattr(kept, "fit")
    again, read = kept_fit(material, material.clips, options, seed=0, work=tmp_path)
    assert again == key
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), read.state_dict()[name].numpy())
    monkeypatch.delattr(kept, "embed")
    second = kept_embeddings(key, read, material.clips, material.versions[0], "recorded", work=tmp_path)
    np.testing.assert_array_equal(first, second)
    assert not list(tmp_path.glob(".*"))


def test_another_option_seed_or_clip_is_another_fit(material: Material) -> None:
    keys = {
        key_of(material, material.clips, OPTIONS, 0),
        key_of(material, material.clips, OPTIONS, 1),
        key_of(material, material.clips[1:], OPTIONS, 0),
        key_of(material, material.clips, replace(OPTIONS, placed=0.4), 0),
        key_of(replace(material, placed=material.versions), material.clips, replace(OPTIONS, placed=0.4), 0),
    }
    assert len(keys) == 5
