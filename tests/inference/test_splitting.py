from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emovox.audio.decoded import Decoded
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.inference.options import Options, Request
from emovox.inference.recognition import Recognition
from emovox.inference.recognizer import Recognizer
from emovox.inference.splitting import join, outline, pieces
from emovox.models.runtime.engine import Output
from support import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """With a readout of each kind."""
    readouts = (tiny.CALLS, tiny.DIMENSIONS, tiny.PEAK)
    return Recognizer(tiny.write(tmp_path_factory.mktemp("model") / "tiny.onnx", readouts=readouts))


def decoded(path: Path, waveform: Waveform) -> Decoded:
    path.write_bytes(waveform.astype("<f4").tobytes())
    return Decoded(path, "x", "0" * 64, SAMPLE_RATE, 1, None, "flac", len(waveform), ())


def speak(speech: Waveform, seconds: float, pauses: Sequence[float]) -> Waveform:
    """Speech with pauses between its repetitions, of about so many seconds."""
    blocks: list[Waveform] = []
    while sum(map(len, blocks)) < seconds * SAMPLE_RATE:
        blocks += [speech, np.zeros(round(pauses[len(blocks) % len(pauses)] * SAMPLE_RATE), np.float32)]
    return np.concatenate(blocks)


def same(one: Recognition, other: Recognition) -> None:
    """Equal, but for when they were made."""
    mine, others = one.to_dict(), other.to_dict()
    for name in ("timestamp", "created_at"):
        mine.pop(name)
        others.pop(name)
    assert mine == others
    assert (one.embedding is None) == (other.embedding is None)
    if one.embedding is not None and other.embedding is not None:
        assert np.array_equal(one.embedding, other.embedding)
    for mine_too, theirs in zip(one.segments or [], other.segments or [], strict=True):
        assert (mine_too.embedding is None) == (theirs.embedding is None)
        if mine_too.embedding is not None and theirs.embedding is not None:
            assert np.array_equal(mine_too.embedding, theirs.embedding)


def split(model: Recognizer, whole: Decoded, options: Options, samples: int) -> Recognition:
    """As a batch does it: inference of pieces in any order, one of them as it goes to another machine."""
    plan = outline(whole, model.metadata, options)
    shares = list(pieces(plan, whole.path, samples=samples))
    parts: dict[int, list[Output]] = {}
    for number in reversed(range(len(shares))):
        piece = shares[number].with_samples() if number % 2 else shares[number]
        parts[number] = model.infer_piece(piece)
    outputs = [output for number in range(len(shares)) for output in parts[number]]
    return join(plan, outputs, model.metadata, model.functions, model.classes(options.emotions), model.model)


OPTIONS = st.builds(
    Options,
    granularity=st.sampled_from(["utterance", "frame"]),
    embedding=st.booleans(),
    emotions=st.sampled_from([None, ("happy", "sad")]),
    segments=st.booleans(),
    merge=st.booleans(),
    speech_only=st.booleans(),
    smoothing=st.sampled_from([0.0, 1.0]),
)


@settings(max_examples=25)
@given(
    options=OPTIONS,
    seconds=st.floats(0.1, 100),
    pauses=st.lists(st.floats(0, 4), min_size=1, max_size=4),
    samples=st.integers(1, 60 * SAMPLE_RATE),
)
def test_a_split_recording_is_what_it_is_whole(
    model: Recognizer,
    speech: Waveform,
    tmp_path_factory: pytest.TempPathFactory,
    options: Options,
    seconds: float,
    pauses: list[float],
    samples: int,
) -> None:
    whole = decoded(tmp_path_factory.mktemp("split") / "x", speak(speech, seconds, pauses))
    (alone,) = model.recognize_together([Request(whole, options)])
    assert isinstance(alone, Recognition)
    same(split(model, whole, options, samples), alone)


def test_a_real_model_agrees(recognizer: Recognizer, speech: Waveform, tmp_path: Path) -> None:
    whole = decoded(tmp_path / "x", speak(speech, 40, [0.4, 1.5]))
    options = Options(segments=True, embedding=True)
    (alone,) = recognizer.recognize_together([Request(whole, options)])
    assert isinstance(alone, Recognition)
    assert len(alone.segments or []) > 5
    same(split(recognizer, whole, options, 5 * SAMPLE_RATE), alone)


def test_pieces_cover_all_windows_once(model: Recognizer, speech: Waveform, tmp_path: Path) -> None:
    whole = decoded(tmp_path / "x", speak(speech, 70, [0.5]))
    plan = outline(whole, model.metadata, Options())
    shares = list(pieces(plan, whole.path, samples=10 * SAMPLE_RATE))
    assert len(shares) > 3
    assert [cut for piece in shares for cut in piece.cuts] == list(plan.cuts)
    for piece in shares:
        mine: Any = piece.with_samples()
        assert mine.waveform.nbytes < whole.samples * 4 / 2
        for one, other in zip(piece.windows(), mine.windows(), strict=True):
            assert np.array_equal(one, other)
