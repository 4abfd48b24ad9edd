"""What a file says of the network that it was made of."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emovox.models.metadata import Metadata  # noqa: E402
from emovox.models.readout import Calibration  # noqa: E402
from support.whisper import random_weights  # noqa: E402
from training.corpus import Clip  # noqa: E402
from training.graph import WIDTH, Encoder  # noqa: E402
from training.material import Material  # noqa: E402
from training.model_file import to_model  # noqa: E402
from training.network import Network  # noqa: E402
from training.sampling import Options  # noqa: E402

LABELS = ("angry", "neutral", "sad")


def test_it_says_what_it_is_under_the_contract() -> None:
    variables = random_weights(0)
    torch.manual_seed(0)
    network = Network(variables, (1, 2), Options().shape, torch.zeros(WIDTH), torch.ones(WIDTH))
    with torch.no_grad():
        network.usual.copy_(torch.arange(9))
    clips = [Clip(f"{label}.wav", label, "x", "y") for label in ("sad", "angry", "neutral", "sad")]
    material = Material(clips, {}, Encoder(variables, 1, (0, 2)), "0" * 64, [], {})
    calibration = Calibration(temperatures=((0.5, 1.5), (4.0, 1.1)), unsure=0.46)
    model = to_model(
        network,
        material,
        temperature=0.5,
        neutral=1.5,
        precision="fp32",
        calibration=calibration,
        name="some",
        revision="7",
        licence="MIT",
        source="nowhere",
        corpora=("y",),
    )
    told = Metadata.from_properties({item.key: item.value for item in model.metadata_props})
    assert (told.name, told.revision, told.embeddings_of, told.corpora) == ("some", "7", "7", ("y",))
    readout = told.readouts[0]
    assert (readout.labels, readout.calibration, readout.reference) == (LABELS, calibration, {})
    assert readout.prior == pytest.approx({"neutral": 2 * 4 + 1.5, "sad": 2 * 6})
    outputs = {item.name: item.type.tensor_type.shape.dim[-1].dim_value for item in model.graph.output}
    assert (outputs["emotion.logits"], outputs["emotion.frame_logits"]) == (3, 3)
    assert np.isfinite(list(readout.prior.values())).all()
