"""The state of a run, kept and taken up again."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.errors import OptionsError
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.splitting import finish
from emovox.inference.state import RunState
from support import tiny
from support.baselines import baseline, with_reference
from support.heads import head

NINE = with_reference(
    tiny.classes("angry", "happy", "neutral", "sad", "unknown"), angry=0.3, happy=0.5, neutral=-0.4, sad=0.1
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    readouts = (NINE, tiny.MOODS, tiny.DIMENSIONS, tiny.PEAK)
    return Recognizer(tiny.write(tmp_path_factory.mktemp("model") / "tiny.onnx", readouts=readouts))


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"granularity": "frame", "segments": True, "merge": True, "embedding": True},
        {"segments": True, "speech_only": True, "granularity": "frame"},
    ],
)
def test_what_is_taken_up_ends_as_it_would_have(
    wanted: dict[str, object], silent: bool, model: Recognizer, speech: NDArray[np.float32]
) -> None:
    sound = np.concatenate([speech, np.zeros(16_000, np.float32), 0.3 * speech]), 16_000
    if silent:
        sound = np.zeros(32_000, np.float32), 16_000
    own = baseline(model.metadata, mean=0.2)
    options = Options.of(baseline="corpus", head=head(model.metadata), **wanted)  # type: ignore[arg-type]
    states: list[RunState] = []
    [first] = model.recognize_together([Request(sound, options, state_sink=states.append)])
    assert isinstance(first, Recognition)
    assert first.baseline is None
    state = RunState.from_bytes(states[0].to_bytes())
    shift, classes = model.shifting(options)(own), model.classes(None)
    two = finish(state, options, model.metadata, model.functions, classes, model.model, shift)
    one = model.recognize(sound, baseline=own, head=head(model.metadata), **wanted)  # type: ignore[arg-type]
    drop = {"created_at", "timestamp"}
    assert {key: value for key, value in two.to_dict().items() if key not in drop} == {
        key: value for key, value in one.to_dict().items() if key not in drop
    }
    assert two.created_at == first.created_at
    for name in ("embedding", "mean_embedding"):
        mine, theirs = getattr(two, name), getattr(one, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs)
    assert (state.speech is None) == silent


def test_what_is_no_state_is_refused() -> None:
    for data in (b"", b"PK\x03\x04", b"\x93NUMPY"):
        with pytest.raises(ValueError, match="not the state of a run"):
            RunState.from_bytes(data)


def test_one_recording_has_no_corpus(model: Recognizer, examples: list[Path]) -> None:
    with pytest.raises(OptionsError, match="baseline corpus: that is of many recordings"):
        model.recognize(examples[0], baseline="corpus")
    with pytest.raises(OptionsError, match="baseline recognized: that is for what is in the archive"):
        model.recognize(examples[0], baseline="recognized")
