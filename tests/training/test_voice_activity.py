from importlib.resources import files

import numpy as np
import onnx
import pytest

from emovox.audio.speech import CHUNK
from emovox.silence import import_onnxruntime
from training.voice_activity import TOGETHER, build, read

ort = import_onnxruntime()


def model() -> onnx.ModelProto:
    return onnx.load_from_string((files("emovox.audio") / "silero_vad.onnx").read_bytes())


def probabilities(network: onnx.ModelProto, chunks: np.ndarray) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    session = ort.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    state = np.random.default_rng(1).standard_normal((2, 1, 1, 128)).astype(np.float32)
    return list(session.run(None, {"input": chunks, "h": state[0], "c": state[1]}))


def test_the_file_is_what_the_script_makes_of_its_weights() -> None:
    assert build(read(model()), TOGETHER).graph == model().graph


@pytest.mark.parametrize("count", [1, 7, 8, 9, 43])
def test_chunks_together_are_as_each_alone_to_the_bit(speech: np.ndarray, count: int) -> None:
    samples = speech[: 9 * CHUNK * (1 + count // 9)]
    starts = np.linspace(0, len(samples) - CHUNK - 64, count).astype(int)
    chunks = np.stack([samples[start : start + CHUNK + 64] for start in starts])
    alone = build(read(model()), 1)
    for one, other in zip(probabilities(alone, chunks), probabilities(model(), chunks), strict=True):
        np.testing.assert_array_equal(one, other)
