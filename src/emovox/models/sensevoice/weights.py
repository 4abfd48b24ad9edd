"""The weights that the network needs: their names and shapes, and where a checkpoint has them."""

from collections.abc import Mapping

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape, Tensor
from emovox.models.checkpoints.weights import Weights
from emovox.models.sensevoice.snapshot import LEAST_VOCABULARY, READOUTS, SenseVoiceSnapshot

HEAD = "ctc.ctc_lo"
QUERIES = "embed.weight"
QUERY_COUNT = 16
_PREFIXES = ("", "module.")  # the second as torch's own training on several devices saves it


def open_weights(snapshot: SenseVoiceSnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, weights are missing or misshapen, or it has another vocabulary.
    """
    state = read_state(snapshot.weights)

    def source_of(name: str) -> str:
        return next((prefix + name for prefix in _PREFIXES if prefix + name in state), name)

    vocabulary = _vocabulary(state, source_of(f"{HEAD}.weight"))
    if vocabulary < LEAST_VOCABULARY:
        raise ModelError(
            f"{snapshot.weights.name} knows {vocabulary} tokens; those of emotions and events are numbers up to "
            f"{LEAST_VOCABULARY - 1} of the published vocabulary"
        )
    return Weights(snapshot.weights, state, expected_shapes(snapshot, vocabulary), READOUTS, source_of)


def _vocabulary(state: Mapping[str, Tensor | Inert], name: str) -> int:
    """How many tokens the head knows; as many as are needed where that is missing, which is then said."""
    head = state.get(name)
    return LEAST_VOCABULARY if head is None or isinstance(head, Inert) or not head.shape else head.shape[0]


def expected_shapes(snapshot: SenseVoiceSnapshot, vocabulary: int) -> dict[str, Shape]:
    """Return the name and shape of every weight, as FunASR's class calls them."""
    config, inputs = snapshot.encoder, snapshot.frontend.width
    width, middle = config.output_size, config.linear_units
    shapes: dict[str, Shape] = {
        QUERIES: (QUERY_COUNT, inputs),
        f"{HEAD}.weight": (vocabulary, width),
        f"{HEAD}.bias": (vocabulary,),
    }
    for name in ("after_norm", "tp_norm"):
        shapes |= {f"encoder.{name}.{kind}": (width,) for kind in ("weight", "bias")}
    first, *others = (*layers_of(config.num_blocks), *tp_layers_of(config.tp_blocks))
    for name, entry in ((first, inputs), *((name, width) for name in others)):
        shapes |= {
            f"{name}.self_attn.linear_q_k_v.weight": (3 * width, entry),
            f"{name}.self_attn.linear_q_k_v.bias": (3 * width,),
            f"{name}.self_attn.linear_out.weight": (width, width),
            f"{name}.self_attn.linear_out.bias": (width,),
            f"{name}.self_attn.fsmn_block.weight": (width, 1, config.kernel_size),
            f"{name}.feed_forward.w_1.weight": (middle, width),
            f"{name}.feed_forward.w_1.bias": (middle,),
            f"{name}.feed_forward.w_2.weight": (width, middle),
            f"{name}.feed_forward.w_2.bias": (width,),
        }
        for norm, size in (("norm1", entry), ("norm2", width)):
            shapes |= {f"{name}.{norm}.{kind}": (size,) for kind in ("weight", "bias")}
    return shapes


def layers_of(count: int) -> list[str]:
    """The names of the layers before the first norm: the first has a list of its own."""
    return ["encoder.encoders0.0", *(f"encoder.encoders.{index}" for index in range(count - 1))]


def tp_layers_of(count: int) -> list[str]:
    """The names of the layers after it."""
    return [f"encoder.tp_encoders.{index}" for index in range(count)]
