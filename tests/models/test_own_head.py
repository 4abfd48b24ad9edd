from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import resolve
from emovox.models.own_head import read_own_head
from emovox.models.readout import Readout
from emovox.models.runtime.engine import Engine
from support import tiny

SECOND = tiny.classes("low", "middle", "high", name="level")


def test_it_is_what_the_bundled_model_computes(recognizer: Recognizer, speech: np.ndarray) -> None:
    own = recognizer.own_head
    assert own is not None
    assert own.classes == recognizer.metadata.classes
    [output] = Engine(resolve("lite"), threads=1).run([speech], frames=True, frame_logits=True)
    assert output.frames is not None
    logits = output.frame_logits["emotion"]
    np.testing.assert_allclose(output.frames @ own.weights.T + own.bias, logits, atol=1e-3)


@pytest.mark.parametrize(
    ("readouts", "classes", "emotions"),
    [
        ((tiny.EMOTIONS,), ("angry", "happy", "sad"), {}),
        ((tiny.FOREIGN,), tiny.FOREIGN.labels, {}),
        ((tiny.CALLS,), tiny.CALLS.labels, tiny.CALLS.emotions),
        ((tiny.DIMENSIONS, SECOND), SECOND.labels, {}),
        ((SECOND, tiny.EMOTIONS), ("angry", "happy", "sad"), {}),  # that of the emotions comes first
    ],
)
def test_it_has_the_classes_that_the_model_has(
    tmp_path: Path, readouts: tuple[Readout, ...], classes: tuple[str, ...], emotions: dict[str, str]
) -> None:
    own = read_own_head(tiny.write(tmp_path / "tiny.onnx", readouts=readouts))
    assert own is not None
    assert (own.classes, own.emotions) == (classes, emotions)
    np.testing.assert_array_equal(own.weights[:, 0], 1 + np.arange(len(classes)))
    np.testing.assert_array_equal(own.bias, np.zeros(len(classes)))


def test_each_readout_has_its_own_matrix(tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "tiny.onnx", readouts=(SECOND, tiny.EMOTIONS))  # both of three classes
    model = onnx.load(str(path))
    for number, name in enumerate(("level", "emotion")):
        for tensor in model.graph.initializer:
            if tensor.name == f"{name}.matrix":
                row = np.array([[7, 8, 9]], np.float32) + 10 * number
                tensor.CopyFrom(numpy_helper.from_array(row, tensor.name))
        for node in model.graph.node:
            if node.output[0] == f"{name}.frame_logits":
                node.output[0] = f"{name}.product"
        bias = np.array([1, 2, 3], np.float32) + 10 * number
        model.graph.initializer.append(numpy_helper.from_array(bias, f"{name}.bias"))
        ends = ([f"{name}.product", f"{name}.bias"], [f"{name}.frame_logits"])
        model.graph.node.append(helper.make_node("Add", *ends))
    onnx.save(model, str(path))
    own = read_own_head(path)
    assert own is not None
    np.testing.assert_array_equal(own.weights[:, 0], [17, 18, 19])
    np.testing.assert_array_equal(own.bias, [11, 12, 13])


def test_that_of_contract_1_has_the_emotions_that_it_knows(tmp_path: Path) -> None:
    own = read_own_head(tiny.write_old(tmp_path / "old.onnx", known=("angry", "sad")))
    assert own is not None
    assert own.classes == ("angry", "sad")
    np.testing.assert_array_equal(own.weights[:, 0], [1, 7])


@pytest.mark.parametrize("readouts", [(), (tiny.DIMENSIONS,), (tiny.MOODS,), (tiny.PEAK,)])
def test_what_is_no_matrix_of_classes_is_no_head(tmp_path: Path, readouts: tuple[Readout, ...]) -> None:
    assert read_own_head(tiny.write(tmp_path / "tiny.onnx", readouts=readouts)) is None
