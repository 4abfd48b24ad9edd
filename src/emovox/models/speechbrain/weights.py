"""The weights that the network needs: their names and shapes, and where two checkpoints have them."""

from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape
from emovox.models.checkpoints.weights import Weights
from emovox.models.speechbrain.snapshot import ENCODER, HEAD_FILE, SpeechBrainSnapshot
from emovox.models.wav2vec2.weights import encoder_source, expected_shapes

HEAD = "0.w"
"""The first layer of a list of one."""


def open_weights(snapshot: SpeechBrainSnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoints, without reading any.

    Raises:
        ModelError: a checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    state = dict(snapshot.state)
    state |= {f"{HEAD_FILE}/{name}": value for name, value in read_state(snapshot.directory / HEAD_FILE).items()}
    outputs = len(snapshot.labels)
    head: dict[str, Shape] = {f"{HEAD}.weight": (outputs, snapshot.embedding_size)}
    if snapshot.bias:
        head[f"{HEAD}.bias"] = (outputs,)

    def source_of(name: str) -> str:
        return f"{HEAD_FILE}/{name}" if name in head else encoder_source(state, ENCODER, name)

    shapes = expected_shapes(snapshot.encoder, None, 0) | head
    return Weights(snapshot.weights, state, shapes, (snapshot.readout,), source_of)
