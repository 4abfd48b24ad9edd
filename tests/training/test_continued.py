"""A file gives the network back that it was made of."""

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from support.whisper import random_weights  # noqa: E402
from training.continued import continued, read_variables  # noqa: E402
from training.graph import WIDTH, Encoder, build  # noqa: E402
from training.network import Network  # noqa: E402
from training.sampling import Options  # noqa: E402


def wide_weights() -> dict[str, NDArray[np.float32]]:
    """Random weights with as many feed-forward units as no small constant has numbers."""
    weights = random_weights(0)
    for name, values in weights.items():
        if "ffn/linear_0" in name:
            weights[name] = np.repeat(values, 5, axis=0)
        elif "ffn/linear_1/weight" in name:
            weights[name] = np.repeat(values / 5, 5, axis=1)
    return weights


def test_a_file_gives_back_the_network_that_it_was_made_of() -> None:
    variables = wide_weights()
    torch.manual_seed(0)
    network = Network(variables, (1, 2), Options().shape, torch.randn(WIDTH) / 10, torch.rand(WIDTH) + 0.5)
    network.eval()
    network.frozen = False
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    encoder = Encoder(network.to_variables(variables), 1, (2,))
    model: onnx.ModelProto = build(encoder, network.to_adaptor(0.7, 1.5), "fp32", {})
    for name, values in encoder.variables.items():
        np.testing.assert_array_equal(read_variables(model)[name], values, err_msg=name)
    mean, deviation = torch.randn(WIDTH) / 10, torch.rand(WIDTH) + 0.5
    start = Encoder(variables, 1, (0, 2))
    read = continued(model, start, Options(), mean, deviation, temperature=0.7, neutral=1.5).eval()
    states, present = torch.randn(2, 5, 2 * WIDTH), torch.ones(2, 5, dtype=torch.bool)
    with torch.inference_mode():
        wanted, found = (item.classify(item(states, present)).mean(dim=1) for item in (network, read))
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, atol=5e-3, rtol=5e-3)  # the units' weights are float16


def test_other_files_are_refused() -> None:
    with pytest.raises(ValueError, match=r"training\.graph"):
        read_variables(onnx.ModelProto())
