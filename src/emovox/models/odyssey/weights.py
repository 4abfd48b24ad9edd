"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape
from emovox.models.checkpoints.weights import Weights
from emovox.models.odyssey.snapshot import ENCODER, OdysseyConfig, OdysseySnapshot
from emovox.models.wav2vec2.weights import encoder_source, expected_shapes

POOL = "pool_model"
HEAD = "ser_model"


def open_weights(snapshot: OdysseySnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    state = read_state(snapshot.weights)

    def source_of(name: str) -> str:
        return name if name.startswith((f"{POOL}.", f"{HEAD}.")) else encoder_source(state, ENCODER, name)

    shapes = expected_shapes(snapshot.encoder, None, 0) | head_shapes(snapshot.config)
    return Weights(snapshot.weights, state, shapes, (snapshot.readout("window"),), source_of)


def head_shapes(config: OdysseyConfig) -> dict[str, Shape]:
    """Return the name and shape of every weight after the encoder."""
    width = config.hidden_size
    shapes: dict[str, Shape] = {
        f"{POOL}.sap_linear.weight": (width, width),
        f"{POOL}.sap_linear.bias": (width,),
        f"{POOL}.attention": (width, 1),
        f"{HEAD}.out.0.weight": (config.num_classes, width),
        f"{HEAD}.out.0.bias": (config.num_classes,),
    }
    for index in range(config.classifier_hidden_layers):
        layer = f"{HEAD}.fc.{index}"
        shapes[f"{layer}.0.weight"] = (width, width if index else 2 * width)
        shapes |= {f"{layer}.{part}": (width,) for part in ("0.bias", "1.weight", "1.bias")}
    return shapes
