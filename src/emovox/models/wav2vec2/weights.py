"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from collections.abc import Collection, Mapping
from itertools import count as count_from
from typing import Any, Literal

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape, Tensor
from emovox.models.checkpoints.weights import Weights
from emovox.models.readout import Kind
from emovox.models.transformers import CONFIG_FILE
from emovox.models.wav2vec2.snapshot import (
    CONFORMER,
    CTC,
    DATA2VEC,
    HEADLESS,
    SPEECH,
    ModelConfig,
    Wav2Vec2Snapshot,
)

POSITIONS = "encoder.pos_conv_embed"
LAYER_WEIGHTS = "layer_weights"
DISTANCES = "encoder.layers.0.attention.rel_attn_embed.weight"
PROJECTOR, CLASSIFIER = "projector", "classifier"
DENSE, OUTPUT = "classifier.dense", "classifier.out_proj"
SINGLE = "lm_head"
WAVES = "encoder.embed_positions.inv_freq"
"""Of rotary positions: those of the checkpoint hold, where it has them."""

Head = Literal["projected", "dense", "single"]
KINDS: dict[Head, Kind] = {"projected": "linear", "dense": "pooled", "single": "linear"}
"""What a head makes of its readout."""
_HEADS: dict[Head, tuple[str, ...]] = {
    "projected": (PROJECTOR, CLASSIFIER),
    "dense": (DENSE, OUTPUT),
    "single": (SINGLE,),
}
_OTHER_OUTPUT = "classifier.output"  # another name for it
_LISTED = 200  # characters
# Torch 2 names the two parts of a normalised weight anew: torch/nn/utils/parametrizations.py.
_PARTS = {
    f"{POSITIONS}.conv.weight_g": f"{POSITIONS}.conv.parametrizations.weight.original0",
    f"{POSITIONS}.conv.weight_v": f"{POSITIONS}.conv.parametrizations.weight.original1",
}


def open_weights(snapshot: Wav2Vec2Snapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, its head isn't known or contradicts the config, or weights are
            missing or misshapen; the message lists them.
    """
    path, state = snapshot.weights, read_state(snapshot.weights)
    head = _head(snapshot, state)
    output = _OTHER_OUTPUT if f"{_OTHER_OUTPUT}.weight" in state else OUTPUT
    prefix = f"{snapshot.config.model_type.replace('-', '_')}."
    if not any(name.startswith(prefix) for name in state):  # as the class without a head saves itself
        prefix = ""

    def source_of(name: str) -> str:
        if name == LAYER_WEIGHTS or name.startswith((f"{PROJECTOR}.", f"{CLASSIFIER}.", f"{SINGLE}.")):
            return name.replace(OUTPUT, output)
        return encoder_source(state, prefix, name)

    config = snapshot.config
    shapes = expected_shapes(config, head, len(snapshot.labels))
    if config.position_embeddings_type == "rotary" and encoder_source(state, prefix, WAVES) in state:
        shapes[WAVES] = (config.hidden_size // config.num_attention_heads // 2,)
    return Weights(path, state, shapes, (snapshot.readout(KINDS[head]),) if head else (), source_of)


def encoder_source(state: Collection[str], prefix: str, name: str) -> str:
    """What a checkpoint calls a weight of the network without its head, by torch's new names or the old ones."""
    renamed = prefix + _PARTS.get(name, name)
    return renamed if renamed in state else prefix + name


def encoder_sizes(state: Mapping[str, Tensor | Inert], prefix: str) -> dict[str, Any]:
    """The sizes of an encoder whose config.json doesn't state them, by the shapes of its weights.

    Args:
        state: what the checkpoint holds.
        prefix: what the names of the encoder's weights begin with.
    """

    def shape(name: str, dimensions: int) -> Shape | None:
        tensor = state.get(prefix + name)
        if tensor is None or isinstance(tensor, Inert) or len(tensor.shape) != dimensions:
            return None  # which is then missing, or misshapen
        return tensor.shape

    sizes: dict[str, Any] = {}
    count = len(ModelConfig(model_type="wavlm").conv_dim)
    kernels = [shape(f"feature_extractor.conv_layers.{index}.conv.weight", 3) for index in range(count)]
    if all(kernels):
        sizes["conv_dim"] = tuple(kernel[0] for kernel in kernels if kernel)
        sizes["conv_kernel"] = tuple(kernel[2] for kernel in kernels if kernel)
    if projection := shape("feature_projection.projection.weight", 2):
        sizes["hidden_size"] = projection[0]
    middle = "feed_forward.intermediate_dense.weight"
    layers = next(number for number in count_from(0) if not shape(f"encoder.layers.{number}.{middle}", 2))
    if first := shape(f"encoder.layers.0.{middle}", 2):
        sizes |= {"num_hidden_layers": layers, "intermediate_size": first[0]}
    if buckets := shape(DISTANCES, 2):
        sizes["num_buckets"] = buckets[0]
    for name in (f"{POSITIONS}.conv.weight_v", f"{POSITIONS}.conv.parametrizations.weight.original1"):
        if (kernel := shape(name, 3)) and kernel[1]:
            sizes["num_conv_pos_embedding_groups"] = kernel[0] // kernel[1]
            sizes["num_conv_pos_embeddings"] = kernel[2]
    return sizes


def _head(snapshot: Wav2Vec2Snapshot, state: Collection[str]) -> Head | None:
    """Which head a checkpoint has, told by the names of its weights; None: there is none.

    Under transformers' own class there may be either: published models name that class and hold the head of
    another, for which transformers takes random numbers.
    """
    file, architecture = snapshot.weights.name, snapshot.architecture
    parts = {name.rpartition(".")[0] for name in state if name.startswith((f"{PROJECTOR}.", f"{CLASSIFIER}."))}
    listing = " ".join(", ".join(sorted(parts)).split())[:_LISTED]
    if architecture == HEADLESS:
        if parts:
            raise ModelError(f"{file} has a head ({listing}), and {CONFIG_FILE} is of a model without one")
        return None
    if architecture == CTC:
        return "single"
    head: Head = "dense" if DENSE in parts or (architecture == SPEECH and not parts) else "projected"
    allowed = {*_HEADS[head]}
    if head == "dense" and OUTPUT not in parts:
        allowed.add(_OTHER_OUTPUT)
    if parts - allowed:
        kinds = "; ".join(" and ".join(names) for names in _HEADS.values() if len(names) > 1)
        raise ModelError(
            f"{file} has a head of {listing}, and these can be computed: {kinds} (or {_OTHER_OUTPUT})"
        )
    if head == "projected" and architecture == SPEECH:
        raise ModelError(
            f"{file} has a linear head ({listing}), and {CONFIG_FILE} is of a class with {DENSE} and {OUTPUT}"
        )
    if head == "dense" and snapshot.config.use_weighted_layer_sum and LAYER_WEIGHTS in state:
        raise ModelError(f"{file} has {LAYER_WEIGHTS} and {DENSE}: that head is computed on the last layer alone")
    return head


def expected_shapes(config: ModelConfig, head: Head | None, outputs: int) -> dict[str, Shape]:
    """Return the name and shape of every weight that the network needs.

    Args:
        config: of the model.
        head: which it has; None: none.
        outputs: rows of the head.
    """
    width = config.hidden_size
    shapes: dict[str, Shape] = {}

    def norm(name: str, size: int) -> None:
        shapes.update({f"{name}.weight": (size,), f"{name}.bias": (size,)})

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    channels = 1
    for index, (filters, kernel, _) in enumerate(config.convolutions):
        layer = f"feature_extractor.conv_layers.{index}"
        shapes[f"{layer}.conv.weight"] = (filters, channels, kernel)
        if config.conv_bias:
            shapes[f"{layer}.conv.bias"] = (filters,)
        if config.feat_extract_norm == "layer" or index == 0:
            norm(f"{layer}.layer_norm", filters)
        channels = filters
    if config.feat_proj_layer_norm:
        norm("feature_projection.layer_norm", channels)
    linear("feature_projection.projection", channels, width)

    shapes |= _position_shapes(config)
    norm("encoder.layer_norm", width)
    if config.model_type == "wavlm":
        shapes[DISTANCES] = (config.num_buckets, config.num_attention_heads)
    for index in range(config.num_hidden_layers):
        layer = f"encoder.layers.{index}"
        if config.model_type == CONFORMER:
            shapes |= {f"{layer}.{name}": shape for name, shape in _conformer_shapes(config).items()}
            continue
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.attention.{part}", width, width)
        if config.model_type == "wavlm":
            heads = config.num_attention_heads
            linear(f"{layer}.attention.gru_rel_pos_linear", width // heads, 8)
            shapes[f"{layer}.attention.gru_rel_pos_const"] = (1, heads, 1, 1)
        norm(f"{layer}.layer_norm", width)
        linear(f"{layer}.feed_forward.intermediate_dense", width, config.intermediate_size)
        linear(f"{layer}.feed_forward.output_dense", config.intermediate_size, width)
        norm(f"{layer}.final_layer_norm", width)
    return shapes | _head_shapes(config, head, outputs)


def _position_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Those of the positional convolutions; a Conformer saves one, too, and doesn't use it."""
    width = config.hidden_size
    channels = width // config.num_conv_pos_embedding_groups
    shapes: dict[str, Shape] = {}
    if config.model_type == CONFORMER:
        return shapes
    if config.model_type == DATA2VEC:
        for index in range(config.num_conv_pos_embeddings):
            layer = f"{POSITIONS}.layers.{index}.conv"
            shapes |= {
                f"{layer}.weight": (width, channels, config.conv_pos_kernel_size),
                f"{layer}.bias": (width,),
            }
        return shapes
    kernel_shape = (width, channels, config.num_conv_pos_embeddings)
    shapes[f"{POSITIONS}.conv.bias"] = (width,)
    if config.conv_pos_batch_norm:
        shapes[f"{POSITIONS}.conv.weight"] = kernel_shape
        parts = ("weight", "bias", "running_mean", "running_var")
        return shapes | {f"{POSITIONS}.batch_norm.{part}": (width,) for part in parts}
    shapes[f"{POSITIONS}.conv.weight_g"] = (1, 1, config.num_conv_pos_embeddings)
    return shapes | {f"{POSITIONS}.conv.weight_v": kernel_shape}


def _conformer_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Those of a layer of a Conformer."""
    width, middle, heads = config.hidden_size, config.intermediate_size, config.num_attention_heads
    shapes: dict[str, Shape] = {}
    norms = ("ffn1_layer_norm", "self_attn_layer_norm", "conv_module.layer_norm", "ffn2_layer_norm")
    for name in (*norms, "final_layer_norm", "conv_module.batch_norm"):
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    shapes |= {f"conv_module.batch_norm.running_{part}": (width,) for part in ("mean", "var")}
    for name in ("ffn1", "ffn2"):
        shapes |= {
            f"{name}.intermediate_dense.weight": (middle, width),
            f"{name}.intermediate_dense.bias": (middle,),
        }
        shapes |= {f"{name}.output_dense.weight": (width, middle), f"{name}.output_dense.bias": (width,)}
    for part in "qkv":
        shapes |= {f"self_attn.linear_{part}.weight": (width, width), f"self_attn.linear_{part}.bias": (width,)}
    shapes |= {"self_attn.linear_out.weight": (width, width), "self_attn.linear_out.bias": (width,)}
    if config.position_embeddings_type == "relative":
        shapes["self_attn.linear_pos.weight"] = (width, width)
        shapes |= {f"self_attn.pos_bias_{part}": (heads, width // heads) for part in "uv"}
    return shapes | {
        "conv_module.pointwise_conv1.weight": (2 * width, width, 1),
        "conv_module.depthwise_conv.weight": (width, 1, config.conv_depthwise_kernel_size),
        "conv_module.pointwise_conv2.weight": (width, width, 1),
    }


def _head_shapes(config: ModelConfig, head: Head | None, outputs: int) -> dict[str, Shape]:
    layers: list[tuple[str, int, int]] = []
    shapes: dict[str, Shape] = {}
    width, middle = config.hidden_size, config.classifier_proj_size
    if head == "projected":
        if config.use_weighted_layer_sum:
            shapes[LAYER_WEIGHTS] = (config.num_hidden_layers + 1,)
        layers = [(PROJECTOR, width, middle), (CLASSIFIER, middle, outputs)]
    elif head == "dense":
        layers = [(DENSE, width, width), (OUTPUT, width, outputs)]
    elif head == "single":
        layers = [(SINGLE, width, outputs)]
    for name, inputs, rows in layers:
        shapes |= {f"{name}.weight": (rows, inputs), f"{name}.bias": (rows,)}
    return shapes
