from pathlib import Path

import numpy as np

from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import resolve
from emovox.models.own_head import read_own_head
from emovox.models.runtime.engine import Engine
from support import tiny


def test_it_is_what_the_bundled_model_computes(recognizer: Recognizer, speech: np.ndarray) -> None:
    own = recognizer.own_head
    assert own is not None
    assert own.classes == recognizer.metadata.classes
    [output] = Engine(resolve("lite"), threads=1).run([speech], frames=True, frame_logits=True)
    assert output.frames is not None
    np.testing.assert_allclose(output.frames @ own.weights.T + own.bias, output.frame_logits["emotion"], atol=1e-3)


def test_what_is_no_matrix_and_bias_is_no_head(tmp_path: Path) -> None:
    assert read_own_head(tiny.write(tmp_path / "tiny.onnx")) is None  # it has no bias
