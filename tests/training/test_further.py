"""What the file says of a network that was fitted further."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emovox.emotions import NAMES  # noqa: E402
from emovox.models.metadata import Metadata  # noqa: E402
from emovox.models.runtime.engine import read_metadata  # noqa: E402
from support.whisper import random_weights  # noqa: E402
from training.corpus import EVERYDAY, MEASURED  # noqa: E402
from training.further import to_model  # noqa: E402
from training.graph import WIDTH, Encoder  # noqa: E402
from training.material import Material  # noqa: E402
from training.network import Network  # noqa: E402
from training.sampling import Options  # noqa: E402


def test_what_a_baseline_takes_out_is_told() -> None:
    variables = random_weights(0)
    torch.manual_seed(0)
    network = Network(variables, (1, 2), Options().shape, torch.zeros(WIDTH), torch.ones(WIDTH))
    material = Material([], {}, Encoder(variables, 1, (0, 2)), "", [], {})
    old = read_metadata(Path(str(files("emovox.models") / "bundled" / "lite.onnx")))

    def facts() -> Metadata:
        model = to_model(network, material, old, "6", temperature=0.5, neutral=1.5)
        return Metadata.from_properties({item.key: item.value for item in model.metadata_props})

    assert facts().readouts[0].prior == {"neutral": 1.5}
    with torch.no_grad():
        network.usual.copy_(torch.arange(len(NAMES)))
    told = facts()
    prior = told.readouts[0].prior
    assert prior == pytest.approx(
        {name: 2 * row + 1.5 * (name == "neutral") for row, name in enumerate(NAMES) if row}
    )
    assert (told.revision, told.embeddings_of, told.readouts[0].reference) == ("6", "6", {})
    assert {corpus.name for corpus in EVERYDAY} <= set(told.corpora)
    assert not {corpus.name for corpus in MEASURED} & set(told.corpora)
    assert np.isfinite(list(prior.values())).all()
