"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from emovox.models.checkpoints.low_rank import with_low_rank
from emovox.models.checkpoints.tensor import Shape
from emovox.models.checkpoints.weights import Weights
from emovox.models.readout import EMOTION
from emovox.models.transformers import DIMENSIONS
from emovox.models.voxprofile.snapshot import BACKBONE, EMOTIONS, VALUES, VoxProfileSnapshot
from emovox.models.wav2vec2.weights import LAYER_WEIGHTS, encoder_source, expected_shapes
from emovox.models.whisper.snapshot import WhisperConfig
from emovox.models.whisper.weights import POSITIONS, encoder_shapes

LAYERS = ("model_seq.0", "model_seq.3", "model_seq.6")
"""Of each frame by itself, with ReLU between them."""
_OWN_NAMES = {LAYER_WEIGHTS: "weights", POSITIONS: "embed_positions"}


def heads_of(readout: str) -> tuple[str, ...]:
    """The heads that a readout is made of: each two layers, `NAME.0` and `NAME.2`."""
    return {EMOTION: (EMOTIONS,), DIMENSIONS: tuple(f"{name}_layer" for name in VALUES)}[readout]


def open_weights(snapshot: VoxProfileSnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, with what was adapted of the encoder.

    Raises:
        ModelError: the checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    state = with_low_rank(snapshot.state)
    encoder = snapshot.encoder
    head = _head_shapes(snapshot)
    if isinstance(encoder, WhisperConfig):
        shapes = encoder_shapes(encoder)
    else:
        shapes = expected_shapes(encoder, None, 0)
        shapes[LAYER_WEIGHTS] = (encoder.num_hidden_layers + snapshot.config.use_conv_output,)

    def source_of(name: str) -> str:
        if name in head or name in _OWN_NAMES:
            return _OWN_NAMES.get(name, name)
        if isinstance(encoder, WhisperConfig):
            return f"{BACKBONE}encoder.{name}"
        return encoder_source(state, BACKBONE, name)

    return Weights(snapshot.weights, state, shapes | head, snapshot.readouts, source_of)


def _head_shapes(snapshot: VoxProfileSnapshot) -> dict[str, Shape]:
    """Return the name and shape of every weight after the encoder."""
    encoder, width = snapshot.encoder, snapshot.config.hidden_dim
    inputs = encoder.d_model if isinstance(encoder, WhisperConfig) else encoder.hidden_size
    shapes: dict[str, Shape] = {}
    for name in LAYERS:
        shapes |= {f"{name}.weight": (width, inputs, 1), f"{name}.bias": (width,)}
        inputs = width
    for readout in snapshot.readouts:
        names = heads_of(readout.name)
        rows = len(readout.labels) // len(names)
        for name in names:
            shapes |= {f"{name}.0.weight": (width, width), f"{name}.0.bias": (width,)}
            shapes |= {f"{name}.2.weight": (rows, width), f"{name}.2.bias": (rows,)}
    return shapes
