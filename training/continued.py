"""The network of a model file that `training.graph` built, to be fitted further."""

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from emovox.emotions import NAMES
from training.graph import WIDTH, Encoder, Floats
from training.network import OUT, Network
from training.sampling import Options
from training.whisper import HEADS

_OF_A_BLOCK = (
    "self_attention/layer_norm/gamma",
    "self_attention/layer_norm/beta",
    "self_attention/linear_0/weight",
    "self_attention/linear_0/bias",
    "self_attention/linear_1/weight",
    "self_attention/linear_1/bias",
    "ffn/layer_norm/gamma",
    "ffn/layer_norm/beta",
    "ffn/linear_0/weight",
    "ffn/linear_0/bias",
    "ffn/linear_1/weight",
    "ffn/linear_1/bias",
)
_ADAPTOR = ("gate_value/weight", "gate_value/bias", "head/weight")
_CONVOLUTIONS = ("conv1/weight", "conv1/bias", "conv2/weight", "conv2/bias")
_SMALL = 300  # no weight of a layer is as small; what a graph counts with is


def read_variables(model: onnx.ModelProto) -> dict[str, Floats]:
    """Whisper's weights as they were fitted, by its names, and the adaptor's: `gate_value/*` and `head/*`.

    They are told by their order, which is the builder's.

    Raises:
        ValueError: the file has others.
    """
    arrays = [numpy_helper.to_array(item) for item in model.graph.initializer]
    floats = [np.asarray(values, np.float32) for values in arrays if values.dtype in (np.float16, np.float32)]
    marks = (WIDTH // HEADS + 1) * HEADS  # the constants of attention's masks
    large = [v for v in floats if v.ndim and max(v.shape) >= _SMALL and v.shape != (marks,)]
    large = large[1:]  # the Fourier basis
    bias = [values for values in floats if values.shape == (OUT,)]
    blocks, rest = divmod(len(large) - len(_CONVOLUTIONS), len(_OF_A_BLOCK))
    if rest != len(_ADAPTOR) or not bias:
        raise ValueError("the model isn't one that training.graph built")
    names = [*_CONVOLUTIONS, *(f"layer_{block}/{name}" for block in range(blocks) for name in _OF_A_BLOCK)]
    variables = dict(zip((*names, *_ADAPTOR), large, strict=True))
    variables["head/bias"] = bias[-1]
    for block in range(blocks):
        for kind in ("weight", "bias"):
            name = f"layer_{block}/self_attention/linear_0/{kind}"
            variables[name] = _unmasked(variables[name])
    return variables


def _unmasked(values: Floats) -> Floats:
    """Queries, keys and values without each head's 65th row, which the mask rides in."""
    wide = (WIDTH // HEADS + 1) * HEADS
    parts = [values[:wide], values[wide : 2 * wide]]
    parts = [part.reshape(HEADS, -1, *part.shape[1:])[:, :-1].reshape(WIDTH, *part.shape[1:]) for part in parts]
    return np.concatenate([*parts, values[2 * wide :]])


def continued(
    model: onnx.ModelProto,
    encoder: Encoder,
    options: Options,
    mean: torch.Tensor,
    deviation: torch.Tensor,
    *,
    temperature: float,
    neutral: float,
) -> Network:
    """The network that a file was made of, up to how its members differ: they are its one head's parts.

    Args:
        model: built by `training.graph`.
        encoder: of the states that it goes on with.
        options: with the shape of its units.
        mean: of the states behind the blocks, (E,), by which they are standardised while it is fitted.
        deviation: of these states.
        temperature: that was divided by.
        neutral: the constant that was added.
    """
    variables = read_variables(model)
    tuned = {**encoder.variables, **variables}
    numbers = range(encoder.taps[0] + 1, encoder.taps[-1] + 1)
    network = Network(tuned, numbers, options.shape, mean, deviation)
    weight = torch.from_numpy(variables["gate_value/weight"].copy())
    head = torch.from_numpy(variables["head/weight"].copy()) * temperature * options.shape.members
    bias = torch.from_numpy(variables["head/bias"].copy())
    bias[NAMES.index("neutral")] -= neutral
    with torch.no_grad():
        network.gate_value.weight.copy_(weight * deviation)
        network.gate_value.bias.copy_(torch.from_numpy(variables["gate_value/bias"].copy()) + weight @ mean)
        network.heads.copy_(head.reshape(network.heads.shape))
        network.bias.copy_((bias * temperature).expand_as(network.bias))
    network.frozen = False
    return network


def between(first: Network, second: Network, share: float) -> Network:
    """The second network with weights that lie this share of the way from the first one's to its own.

    What fitting further forgets of speech that isn't in the material comes back sooner than what it learnt goes
    (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
    """
    earlier, later = first.state_dict(), second.state_dict()
    second.load_state_dict({name: torch.lerp(earlier[name], values, share) for name, values in later.items()})
    return second
