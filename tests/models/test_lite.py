"""The bundled model keeps the contract. Run on the shipped file with ONNX Runtime alone, as anyone might."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.waveform import Waveform
from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Engine
from emovox.silence import import_onnxruntime

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("emodb_*.flac"))
OUTPUTS = ("frames", "emotion.frame_logits", "frame_count", "embedding", "emotion.logits")
HOP = 320
WIDTH = 384
REVISION_5 = "ea06411cbd7da5ba31c60e277e101f7d37d4cd5da0d00e16c10eabfc12ea0ed4"  # without metadata and the bias
GARBAGE = (0.0, 1.0, -1e30, np.inf, np.nan)

lengths = st.integers(400, 5 * 16_000)


@cache
def session() -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = files("emovox.models") / "bundled" / "lite.onnx"
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def run(waveforms: list[Waveform], *, padding: int = 0, fill: float = 0.0) -> dict[str, NDArray[np.float32]]:
    """All outputs for a batch, each row followed by at least `padding` samples of `fill`."""
    sizes = np.array([len(waveform) for waveform in waveforms], np.int64)
    batch = np.full((len(waveforms), sizes.max() + padding), fill, np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return dict(zip(OUTPUTS, session().run(list(OUTPUTS), {"waveform": batch, "samples": sizes}), strict=True))


def voice(size: int, seed: int) -> Waveform:
    """Something with syllables, harmonics and noise in it, so that no layer sees a constant."""
    rng = np.random.default_rng(seed)
    time = np.arange(size) / 16_000
    pitch = 2 * np.pi * (120 + 60 * rng.random()) * time + 3 * np.sin(5 * time)
    tone = sum(np.sin(k * pitch) / k for k in range(1, 9))
    wave = np.sin(2 * np.pi * 2 * time) ** 2 * tone + 0.05 * rng.standard_normal(size)
    level = 10 ** rng.uniform(-3, 0)
    scaled: Waveform = (level * wave / np.abs(wave).max()).astype(np.float32)
    return scaled


def assert_finite(outputs: dict[str, NDArray[np.float32]]) -> None:
    assert all(np.isfinite(values).all() for values in outputs.values())


def test_metadata_is_readable() -> None:
    metadata = Metadata.from_properties(session().get_modelmeta().custom_metadata_map)
    assert metadata.name == "lite"
    assert (metadata.revision, metadata.embeddings_of) == ("5.3", "5")
    assert metadata.classes == NAMES
    assert metadata.licence == "CC BY-NC-SA 4.0"
    assert metadata.hop == HOP
    assert metadata.embedding_size == session().get_outputs()[0].shape[2]
    assert len(metadata.source_sha256) == 64


def test_all_but_the_heads_bias_is_revision_5s() -> None:
    model = onnx.load_from_string((files("emovox.models") / "bundled" / "lite.onnx").read_bytes())
    del model.metadata_props[:]
    [product] = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[0] == "frames"]
    [added] = [node for node in model.graph.node if node.op_type == "Add" and product.output[0] in node.input]
    [bias] = [tensor for tensor in model.graph.initializer if tensor.name in added.input]
    bias.ClearField("raw_data")
    for item in (*model.graph.node, *model.graph.output):  # named so since contract 2
        if isinstance(item, onnx.ValueInfoProto):
            item.name = item.name.removeprefix("emotion.")
        else:
            for names in (item.input, item.output):
                names[:] = [name.removeprefix("emotion.") for name in names]
    assert hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest() == REVISION_5


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(lengths, min_size=1, max_size=4),
    padding=st.integers(0, 20_000),
    fill=st.sampled_from(GARBAGE),
    seed=st.integers(0, 1000),
)
def test_a_row_depends_on_itself_only(sizes: list[int], padding: int, fill: float, seed: int) -> None:
    waveforms = [voice(size, seed + row) for row, size in enumerate(sizes)]
    together = run(waveforms, padding=padding, fill=fill)
    assert_finite(together)
    for row, waveform in enumerate(waveforms):
        alone = run([waveform])
        count = int(alone["frame_count"][0])
        assert together["frame_count"][row] == count
        # float32 sums in another order differ in the sixth digit.
        np.testing.assert_allclose(together["frames"][row, :count], alone["frames"][0], rtol=1e-4, atol=1e-4)
        logits = together["emotion.frame_logits"][row, :count]
        np.testing.assert_allclose(logits, alone["emotion.frame_logits"][0], atol=1e-4)
        np.testing.assert_allclose(together["embedding"][row], alone["embedding"][0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(together["emotion.logits"][row], alone["emotion.logits"][0], atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(lengths, min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_the_verdict_is_the_mean_of_the_frames(sizes: list[int], seed: int) -> None:
    outputs = run([voice(size, seed + row) for row, size in enumerate(sizes)])
    for row, size in enumerate(sizes):
        count = int(outputs["frame_count"][row])
        assert count == -(-size // HOP)
        for mean, parts in (("emotion.logits", "emotion.frame_logits"), ("embedding", "frames")):
            expected = outputs[parts][row, :count].mean(axis=0, dtype=np.float64)
            np.testing.assert_allclose(outputs[mean][row], expected, rtol=1e-4, atol=1e-4)
            assert not outputs[parts][row, count:].any()


def test_shapes() -> None:
    outputs = run([voice(16_000, 0), voice(9_999, 1)], padding=123)
    assert {name: values.shape for name, values in outputs.items()} == {
        "frames": (2, 51, WIDTH),
        "emotion.frame_logits": (2, 51, 9),
        "frame_count": (2,),
        "embedding": (2, WIDTH),
        "emotion.logits": (2, 9),
    }
    assert outputs["frame_count"].tolist() == [50, 32]


@pytest.mark.parametrize("size", [1, 199, 319, 320, 400, 16_000])
@pytest.mark.parametrize(
    "level", [0.0, 1.0, -1.0, 1e-40, 1e-30, 3e38], ids=["zeros", "high", "low", "denormal", "tiny", "huge"]
)
def test_constants_give_finite_numbers(size: int, level: float) -> None:
    assert_finite(run([np.full(size, level, np.float32)]))


def test_counts_beyond_the_waveform_are_clipped() -> None:
    waveform = voice(8_000, 0)[None]
    count = session().run(["frame_count"], {"waveform": waveform, "samples": np.array([9_000_000], np.int64)})
    assert count[0].tolist() == [25]
    nothing = session().run(None, {"waveform": waveform, "samples": np.array([0], np.int64)})
    assert all(np.isfinite(values).all() for values in nothing)


def test_level_does_not_matter() -> None:
    waveform = voice(16_000, 0)
    logits = run([waveform, waveform / np.float32(512)])["emotion.logits"]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-3)


def test_longer_than_whispers_thirty_seconds() -> None:
    outputs = run([voice(31 * 16_000, 0)])
    assert outputs["frame_count"].tolist() == [1550]
    assert_finite(outputs)


def test_openvino_gives_the_same_numbers() -> None:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    path = Path(str(files("emovox.models"))) / "bundled" / "lite.onnx"
    engine = Engine(path, engine="openvino", threads=1)
    for size in (400, 16_000, 50_123):
        waveform = voice(size, size)
        expected, [output] = run([waveform]), engine.run([waveform], frame_logits=True)
        np.testing.assert_allclose(output.logits["emotion"], expected["emotion.logits"][0], atol=1e-3)
        np.testing.assert_allclose(output.frame_logits["emotion"], expected["emotion.frame_logits"][0], atol=1e-2)


def test_there_are_seven_examples() -> None:
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_recognized(path: Path) -> None:
    with open_recording(path, max_bytes=1 << 20) as recording, decode(recording, max_seconds=10) as decoding:
        waveform = np.concatenate(list(decoding.blocks()))
    metadata = Metadata.from_properties(session().get_modelmeta().custom_metadata_map)
    logits = run([waveform])["emotion.logits"][0]
    heard = max(metadata.classes, key=lambda name: logits[NAMES.index(name)])
    assert heard == path.stem.split("_")[2]
