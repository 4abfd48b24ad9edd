"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from collections.abc import Mapping

from emovox.errors import ModelError
from emovox.models.checkpoints.checkpoint import read_checkpoint
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.safetensors import read_safetensors
from emovox.models.checkpoints.weights import Shape, Tensor, Weights
from emovox.models.readout import EMOTION, Readout
from emovox.models.wav2vec2.snapshot import ModelConfig, Wav2Vec2Snapshot

POSITIONS = "encoder.pos_conv_embed"
LAYER_WEIGHTS = "layer_weights"
_HEAD = (LAYER_WEIGHTS, "projector.", "classifier.")
# Torch 2 names the two parts of a normalised weight anew: torch/nn/utils/parametrizations.py.
_PARTS = {
    f"{POSITIONS}.conv.weight_g": f"{POSITIONS}.conv.parametrizations.weight.original0",
    f"{POSITIONS}.conv.weight_v": f"{POSITIONS}.conv.parametrizations.weight.original1",
}


def open_weights(snapshot: Wav2Vec2Snapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    path = snapshot.weights
    state: Mapping[str, Tensor | Inert] = (
        read_safetensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    )
    if "classifier.dense.weight" in state:
        raise ModelError(
            f"{path.name} has a head of two layers with tanh between them (classifier.dense, classifier.output), "
            "and only linear ones, a projector and a classifier, are computed so far"
        )
    prefix = f"{snapshot.config.model_type}."

    def source_of(name: str) -> str:
        if name.startswith(_HEAD):
            return name
        renamed = prefix + _PARTS.get(name, name)
        return renamed if renamed in state else prefix + name

    shapes = expected_shapes(snapshot.config, len(snapshot.labels))
    readouts = (
        Readout(
            name=EMOTION,
            kind="linear",
            activation="softmax",
            labels=snapshot.labels,
            emotions=snapshot.emotions,
        ),
    )
    return Weights(path, state, shapes, readouts, source_of)


def expected_shapes(config: ModelConfig, classes: int) -> dict[str, Shape]:
    """Return the name and shape of every weight that the network needs.

    Args:
        config: of the model.
        classes: rows of the head.
    """
    width = config.hidden_size
    shapes: dict[str, Shape] = {}

    def norm(name: str, size: int) -> None:
        shapes.update({f"{name}.weight": (size,), f"{name}.bias": (size,)})

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    channels = 1
    for index, (outputs, kernel, _) in enumerate(config.convolutions):
        layer = f"feature_extractor.conv_layers.{index}"
        shapes[f"{layer}.conv.weight"] = (outputs, channels, kernel)
        if config.conv_bias:
            shapes[f"{layer}.conv.bias"] = (outputs,)
        if config.feat_extract_norm == "layer" or index == 0:
            norm(f"{layer}.layer_norm", outputs)
        channels = outputs
    if config.feat_proj_layer_norm:
        norm("feature_projection.layer_norm", channels)
    linear("feature_projection.projection", channels, width)

    kernel_shape = (width, width // config.num_conv_pos_embedding_groups, config.num_conv_pos_embeddings)
    shapes[f"{POSITIONS}.conv.bias"] = (width,)
    if config.conv_pos_batch_norm:
        shapes[f"{POSITIONS}.conv.weight"] = kernel_shape
        norm(f"{POSITIONS}.batch_norm", width)
        shapes[f"{POSITIONS}.batch_norm.running_mean"] = (width,)
        shapes[f"{POSITIONS}.batch_norm.running_var"] = (width,)
    else:
        shapes[f"{POSITIONS}.conv.weight_g"] = (1, 1, config.num_conv_pos_embeddings)
        shapes[f"{POSITIONS}.conv.weight_v"] = kernel_shape

    norm("encoder.layer_norm", width)
    for index in range(config.num_hidden_layers):
        layer = f"encoder.layers.{index}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.attention.{part}", width, width)
        norm(f"{layer}.layer_norm", width)
        linear(f"{layer}.feed_forward.intermediate_dense", width, config.intermediate_size)
        linear(f"{layer}.feed_forward.output_dense", config.intermediate_size, width)
        norm(f"{layer}.final_layer_norm", width)

    if config.use_weighted_layer_sum:
        shapes[LAYER_WEIGHTS] = (config.num_hidden_layers + 1,)
    linear("projector", width, config.classifier_proj_size)
    linear("classifier", config.classifier_proj_size, classes)
    return shapes
