"""States are those of the graph, the same however many processes compute them, and are computed once."""

import wave
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soxr")
pytest.importorskip("scipy")
pytest.importorskip("onnx")

from support.whisper import random_weights
from training.augment import Surroundings
from training.corpus import Clip, read_waveform
from training.frontend import SAMPLE_RATE
from training.graph import Encoder, build_states
from training.sessions import open_session, run
from training.states import States, Version, compute


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five short recordings."""
    folder = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(0)
    for number in range(5):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(rng.integers(-3_000, 3_000, 3_000 + 1_000 * number).astype("<i2").tobytes())
    return folder


CLIPS = [Clip(f"{number}.wav", "sad", "someone", "emodb") for number in range(5)]
MODEL = build_states(Encoder(random_weights(0), 1, (0, 2)), "fp32")


def states(corpora: Path, work: Path, version: Version, processes: int) -> States:
    nowhere = Surroundings([], [])
    return compute(MODEL, corpora, CLIPS, version, lambda: nowhere, work=work, seed=0, processes=processes)


def test_they_are_those_of_the_graph_without_its_context(corpora: Path, tmp_path: Path) -> None:
    found = states(corpora, tmp_path, Version("recorded"), 1)
    session = open_session(MODEL, 1)
    for clip in CLIPS:
        sound = read_waveform(corpora / clip.path)
        wanted = run(session, "states", sound)[: -(-len(sound) // 640)]
        np.testing.assert_allclose(found.of(clip), wanted, atol=0.01, rtol=0.002)


def test_processes_share_the_work_and_change_nothing(corpora: Path, tmp_path: Path) -> None:
    version = Version("voice1", voice=1)
    alone, shared = (states(corpora, tmp_path / str(count), version, count) for count in (1, 2))
    for clip in CLIPS:
        np.testing.assert_array_equal(alone.of(clip), shared.of(clip))
    recorded = states(corpora, tmp_path / "1", Version("recorded"), 1)
    assert any(len(recorded.of(clip)) != len(alone.of(clip)) for clip in CLIPS)


def test_what_was_kept_is_taken_again(corpora: Path, tmp_path: Path) -> None:
    first = states(corpora, tmp_path, Version("recorded"), 1)
    again = states(Path("/nowhere"), tmp_path, Version("recorded"), 1)
    for clip in CLIPS:
        np.testing.assert_array_equal(first.of(clip), again.of(clip))
