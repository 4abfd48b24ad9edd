"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape
from emovox.models.checkpoints.weights import Weights
from emovox.models.whisper.snapshot import WhisperConfig, WhisperSnapshot

LAYER_WEIGHTS, PROJECTOR, CLASSIFIER = "layer_weights", "projector", "classifier"
POSITIONS = "embed_positions.weight"
_PREFIXES = ("encoder.", "model.encoder.")  # the second as the class that transcribes saves it


def open_weights(snapshot: WhisperSnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    state = read_state(snapshot.weights)
    prefix = next((prefix for prefix in _PREFIXES if f"{prefix}conv1.weight" in state), _PREFIXES[0])
    head = head_shapes(snapshot.config, len(snapshot.labels))
    return Weights(
        snapshot.weights,
        state,
        encoder_shapes(snapshot.config) | head,
        snapshot.readouts,
        lambda name: name if name in head else prefix + name,
    )


def encoder_shapes(config: WhisperConfig) -> dict[str, Shape]:
    """Return the name and shape of every weight of the encoder."""
    width, middle = config.d_model, config.encoder_ffn_dim
    shapes: dict[str, Shape] = {
        "conv1.weight": (width, config.num_mel_bins, 3),
        "conv1.bias": (width,),
        "conv2.weight": (width, width, 3),
        "conv2.bias": (width,),
        POSITIONS: (config.max_source_positions, width),
        "layer_norm.weight": (width,),
        "layer_norm.bias": (width,),
    }
    for index in range(config.encoder_layers):
        layer = f"layers.{index}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{layer}.self_attn.{part}.weight"] = (width, width)
            if part != "k_proj":
                shapes[f"{layer}.self_attn.{part}.bias"] = (width,)
        for part in ("self_attn_layer_norm", "final_layer_norm"):
            shapes |= {f"{layer}.{part}.{kind}": (width,) for kind in ("weight", "bias")}
        shapes |= {f"{layer}.fc1.weight": (middle, width), f"{layer}.fc1.bias": (middle,)}
        shapes |= {f"{layer}.fc2.weight": (width, middle), f"{layer}.fc2.bias": (width,)}
    return shapes


def head_shapes(config: WhisperConfig, outputs: int) -> dict[str, Shape]:
    """Return the name and shape of every weight of the head; of none where it has no outputs."""
    if not outputs:
        return {}
    middle = config.classifier_proj_size
    shapes: dict[str, Shape] = (
        {LAYER_WEIGHTS: (config.encoder_layers + 1,)} if config.use_weighted_layer_sum else {}
    )
    return shapes | {
        f"{PROJECTOR}.weight": (middle, config.d_model),
        f"{PROJECTOR}.bias": (middle,),
        f"{CLASSIFIER}.weight": (outputs, middle),
        f"{CLASSIFIER}.bias": (outputs,),
    }
