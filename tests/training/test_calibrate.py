"""A file is calibrated by its metadata alone, so that it is as sure as the networks that were measured."""

from importlib.resources import files

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from emovox.models.metadata import Metadata
from emovox.models.readout import Calibration
from training.calibrate import divisor, scaled, write
from training.verdicts import softmax


@given(st.integers(0, 9), st.floats(0.35, 0.8))
def test_logits_become_as_sure_as_wanted(seed: int, confidence: float) -> None:
    logits = 2 * np.random.default_rng(seed).standard_normal((50, 9))
    factor = divisor(logits, confidence)
    assert softmax((logits / factor).astype(np.float32)).max(axis=1).mean() == pytest.approx(confidence, abs=1e-3)


def test_nothing_but_metadata_changes() -> None:
    model = onnx.load_from_string((files("emovox.models") / "bundled" / "lite.onnx").read_bytes())
    graph = model.graph.SerializeToString()
    old = Metadata.from_properties({item.key: item.value for item in model.metadata_props})
    calibration = Calibration(temperatures=((0.5, 1.5), (4.0, 1.0)), unsure=0.5, unsure_relative=0.4)
    write(model, scaled(calibration, 1.2), "x")
    new = Metadata.from_properties({item.key: item.value for item in model.metadata_props})
    assert model.graph.SerializeToString() == graph
    assert new.readouts[0].calibration == Calibration(
        temperatures=((0.5, 1.8), (4.0, 1.2)), unsure=0.5, unsure_relative=0.4
    )
    assert (new.revision, new.embeddings_of) == ("x", old.embeddings_of)
    assert new.readouts[0].reference.keys() == old.readouts[0].reference.keys()
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, old.model_copy(update={"readouts": ()}).to_properties())
    with pytest.raises(ValueError, match="no readout of emotions"):
        write(model, calibration, "y")
