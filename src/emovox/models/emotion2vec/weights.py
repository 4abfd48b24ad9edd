"""The weights that the Emotion2Vec network needs: their names and shapes, and where a checkpoint has them."""

from collections.abc import Mapping, Sequence

from emovox.errors import ModelError
from emovox.models.checkpoints.checkpoint import read_checkpoint
from emovox.models.checkpoints.tensor import Shape
from emovox.models.checkpoints.weights import Weights
from emovox.models.emotion2vec.snapshot import Emotion2VecSnapshot, ModelConfig, emotions_of, trained_rows
from emovox.models.readout import EMOTION, Readout

_AUDIO = "modality_encoders.AUDIO"


def open_weights(snapshot: Emotion2VecSnapshot) -> Weights:
    """Find every weight of a snapshot in its checkpoint, without reading any.

    Raises:
        ModelError: the checkpoint can't be read, or weights are missing or misshapen; the message lists them.
    """
    state = read_checkpoint(snapshot.weights)
    tokens = _tokens(snapshot, state)
    return Weights(
        snapshot.weights,
        state,
        expected_shapes(snapshot.config, len(tokens)),
        _readouts(tokens),
        lambda name: _source_of(name, state, snapshot.scope_map),
    )


def expected_shapes(config: ModelConfig, classes: int) -> dict[str, Shape]:
    """Return the name and shape of every weight that the network needs; the pre-training decoder's are not.

    Args:
        config: of the model.
        classes: rows of the head; 0 for a model that has none.
    """
    audio, width = config.audio, config.embed_dim
    shapes: dict[str, Shape] = {}

    def norm(name: str, size: int) -> None:
        shapes.update({f"{name}.weight": (size,), f"{name}.bias": (size,)})

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    channels = 1
    for index, (outputs, kernel, _) in enumerate(audio.feature_encoder_spec):
        layer = f"{_AUDIO}.local_encoder.conv_layers.{index}"
        shapes[f"{layer}.0.weight"] = (outputs, channels, kernel)
        if audio.extractor_mode == "layer_norm":
            norm(f"{layer}.2.1", outputs)
        elif index == 0:
            norm(f"{layer}.2", outputs)
        channels = outputs
    norm(f"{_AUDIO}.project_features.1", channels)
    linear(f"{_AUDIO}.project_features.2", channels, width)

    positional = f"{_AUDIO}.relative_positional_encoder"
    if audio.conv_pos_pre_ln:
        norm(f"{positional}.0", width)
        positional += ".1"
    for index in range(audio.conv_pos_depth):
        kernel_shape = (width, width // audio.conv_pos_groups, audio.positional_kernel)
        shapes[f"{positional}.{index + 1}.0.weight"] = kernel_shape
        shapes[f"{positional}.{index + 1}.0.bias"] = (width,)

    if audio.num_extra_tokens:
        shapes[f"{_AUDIO}.extra_tokens"] = (1, audio.num_extra_tokens, width)
    if audio.use_alibi_encoder:
        heads = audio.num_alibi_heads if audio.learned_alibi_scale_per_head else 1
        shapes[f"{_AUDIO}.alibi_scale"] = (audio.alibi_scales, 1, heads, 1, 1)

    blocks = [f"{_AUDIO}.context_encoder.blocks.{index}" for index in range(audio.prenet_depth)]
    blocks += [f"blocks.{index}" for index in range(config.depth)]
    for block in blocks:
        linear(f"{block}.attn.qkv", width, 3 * width)
        linear(f"{block}.attn.proj", width, width)
        linear(f"{block}.mlp.fc1", width, config.hidden)
        linear(f"{block}.mlp.fc2", config.hidden, width)
        if config.norm_affine:
            norm(f"{block}.norm1", width)
            norm(f"{block}.norm2", width)
    if config.norm_affine:
        norm("norm" if config.layer_norm_first else f"{_AUDIO}.context_encoder.norm", width)
    if classes:
        linear("proj", width, classes)
    return shapes


def _source_of(name: str, state: Mapping[str, object], scope_map: tuple[tuple[str, str], ...]) -> str:
    """The checkpoint's name of a weight: the last pair of prefixes that leads to one decides, as in FunASR."""
    source = name
    for theirs, ours in scope_map:
        if name.startswith(ours) and theirs + name.removeprefix(ours) in state:
            source = theirs + name.removeprefix(ours)
    return source


def _readouts(tokens: Sequence[str]) -> tuple[Readout, ...]:
    """The readout of emotions, if there is a head."""
    labels = tuple(tokens[row] for row in trained_rows(tokens))
    if not labels:
        return ()
    return (
        Readout(name=EMOTION, kind="linear", activation="softmax", labels=labels, emotions=emotions_of(labels)),
    )


def _tokens(snapshot: Emotion2VecSnapshot, state: Mapping[str, object]) -> tuple[str, ...]:
    """The tokens of the head's rows; none if there is no head.

    FunASR gives a model a head if the config names a tokenizer. Snapshots from elsewhere may have a head without
    one, so the tokens are ignored only if there is neither.
    """
    sources = [_source_of(f"proj.{part}", state, snapshot.scope_map) for part in ("weight", "bias")]
    has_head = any(source in state for source in sources)
    if has_head and not snapshot.tokens:
        raise ModelError("the model has a head, but no tokens.txt that names its classes: put the file beside it")
    return snapshot.tokens if has_head or snapshot.has_tokenizer else ()
