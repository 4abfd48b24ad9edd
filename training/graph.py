"""The model's graph: front end, Whisper's first blocks, adaptor, head, and pooling that is a mean.

Shapes: B rows, N samples, C context frames and T frames (20 ms each), E Whisper's width, S the width of the states
that the adaptor reads, D the width of an embedding. A row is worth its `samples`; what lies beyond is erased at
once, so it may hold anything. A tenth of a second of zeros behind each row is context that the encoder sees and
the outputs leave out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emovox.models.readout import EMOTION
from training.builder import Builder, Precision
from training.frontend import CONTEXT, MEL_HOP, log_mel, mask, normalise, scalar, steps
from training.whisper import HEADS

HOP = 2 * MEL_HOP  # samples from frame to frame: the second convolution has stride 2
FIRST_CENTRE = 0.0  # seconds; frame t is centred on sample 320 t, the first one half over reflected signal
MINIMUM_SAMPLES = 1  # the first frame is centred on the first sample; what lies before it is mirrored
WIDTH = 512
_FAR = -1e5  # added to the attention score of a key that is not there: its weight underflows to exactly 0

Floats = NDArray[np.float32]
Variables = Mapping[str, Floats]


@dataclass(frozen=True)
class Adaptor:
    """What was trained: gated units over the states of a frame, and a head that is linear in them.

    A frame is ``sigmoid(gate) * gelu(value)``: so frames without a voice can count less in a mean that is plain.

    Attributes:
        gate_weight: (D, S).
        gate_bias: (D,).
        value_weight: (D, S).
        value_bias: (D,).
        head_weight: (K, D), a row for each emotion.
        head_bias: (K,).
    """

    gate_weight: Floats
    gate_bias: Floats
    value_weight: Floats
    value_bias: Floats
    head_weight: Floats
    head_bias: Floats


@dataclass(frozen=True)
class Encoder:
    """The blocks that are run, and whose states the adaptor reads.

    Attributes:
        variables: Whisper's weights, by name; feed-forward layers may have fewer units than Whisper's 2048.
        merge: the block, counted from 0, before which frames are merged two by two.
        taps: the blocks, counted from 0, whose states are read. The last one is the last block that is run.
    """

    variables: Variables
    merge: int
    taps: tuple[int, ...]

    @property
    def width(self) -> int:
        """S."""
        return WIDTH * len(self.taps)


def build(encoder: Encoder, adaptor: Adaptor, precision: Precision, properties: dict[str, str]) -> onnx.ModelProto:
    """Build the model under the contract.

    Args:
        encoder: Whisper's weights.
        adaptor: the trained part.
        precision: how the encoder's weights are stored; the adaptor's are stored as float16.
        properties: the metadata to put in the file.
    """
    g = Builder(precision)
    samples, total, states = _states(g, encoder)
    ceiling = g.integers(HOP - 1)
    g.node("Div", g.node("Add", samples, ceiling), g.integers(HOP), name="frame_count")
    length = g.node("Div", g.node("Add", total, ceiling), g.integers(HOP))  # T
    joined = g.node("Concat", *states, axis=2) if len(states) > 1 else states[0]
    units = g.node(
        "Slice",
        _twice(g, _adapt(g, adaptor, joined), len(adaptor.gate_bias)),
        g.integers(0),
        length,
        g.integers(1),
    )
    _pool(g, units, length)
    _classify(g, adaptor)
    width, classes = len(adaptor.gate_bias), len(adaptor.head_bias)
    return g.model(
        _inputs(),
        [
            _output("frames", "B", "T", width),
            _output(f"{EMOTION}.frame_logits", "B", "T", classes),
            helper.make_tensor_value_info("frame_count", TensorProto.INT64, ["B"]),
            _output("embedding", "B", width),
            _output(f"{EMOTION}.logits", "B", classes),
        ],
        properties,
    )


def build_states(encoder: Encoder, precision: Precision, attended: int | None = None) -> onnx.ModelProto:
    """The part below the adaptor: output `states` (B, C, S).

    Args:
        encoder: Whisper's weights.
        precision: how they are stored, as in the model that is shipped.
        attended: give the state of this block before its feed-forward layer instead, (B, C, E).
    """
    g = Builder(precision)
    _, _, states = _states(g, encoder, attended)
    g.node("Concat", *states, axis=2, name="states")
    width = WIDTH if attended is not None else encoder.width
    return g.model(_inputs(), [_output("states", "B", "C", width)], {})


def _inputs() -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["B", "N"]),
        helper.make_tensor_value_info("samples", TensorProto.INT64, ["B"]),
    ]


def _output(name: str, *shape: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _states(g: Builder, encoder: Encoder, attended: int | None = None) -> tuple[str, str, list[str]]:
    """Each row's `samples`, N, and the states of the tapped blocks."""
    total = g.node("Shape", "waveform", start=1, end=2)  # N
    samples = g.node("Clip", "samples", g.constant(np.array(0, np.int64)), scalar(g, total))
    mel_count = g.node("Div", g.node("Add", samples, g.integers(CONTEXT)), g.integers(MEL_HOP))
    mel = log_mel(g, normalise(g, samples, total))
    return samples, total, _encode(g, encoder, mel, mel_count, attended)


def _encode(g: Builder, encoder: Encoder, mel: str, mel_count: str, attended: int | None) -> list[str]:
    """Whisper's convolutions and first blocks; returns the states of the tapped blocks, each (B, C, E)."""
    zero = g.number(0)
    mel_mask = mask(g, mel_count, g.node("Shape", mel, start=2, end=3), (1,))
    state = mel
    for name, stride in (("conv1", 1), ("conv2", 2)):
        # The next row may be longer: erase what the last layer made of nothing.
        state = g.node("Where", mel_mask, state, zero)
        kernel = g.weight(encoder.variables[f"{name}/weight"])
        shift = g.constant(encoder.variables[f"{name}/bias"])
        state = g.node("Gelu", g.node("Conv", state, kernel, shift, pads=[1, 1], strides=[stride]))
    state = g.node("Transpose", state, perm=[0, 2, 1])
    length = g.node("Shape", state, start=1, end=2)  # C
    state = g.node("Add", state, _positions(g, length))

    count = g.node("Div", g.node("Add", mel_count, g.integers(1)), g.integers(2))
    absent = _absent(g, count, length)
    states: list[str] = []
    for block in range(encoder.taps[-1] + 1):
        variables = {
            name.removeprefix(f"layer_{block}/"): values
            for name, values in encoder.variables.items()
            if name.startswith(f"layer_{block}/")
        }
        if block == encoder.merge:
            state, count = _merge(g, state, count, length)
            states = [state] if states else []
            absent = _absent(g, count, g.node("Shape", state, start=1, end=2))
        state = g.node("Add", state, _attend(g, variables, state, absent))
        if block == attended:
            return [state]
        state = g.node("Add", state, _feed(g, variables, state))
        if block in encoder.taps:
            states.append(state)
    return states


def _absent(g: Builder, count: str, length: str) -> str:
    """`_FAR` in the last column of each head for the frames that a row has not, else 0: (B, length, 520)."""
    far = g.node("Where", mask(g, count, length, (2,)), g.number(0), g.number(_FAR))
    return g.node("Mul", far, g.constant(_last_of_each_head()))


def _merge(g: Builder, state: str, count: str, length: str) -> tuple[str, str]:
    """The means of frames two by two, 40 ms each, and how many a row has: (B, C / 2, E) and (B,).

    A frame without a partner is halved; that happens in the context behind a row only.
    """
    state = g.node("Where", mask(g, count, length, (2,)), state, g.number(0))
    odd = g.node("Mod", length, g.integers(2))
    ends = g.node("Concat", g.integers(0, 0, 0, 0), odd, g.integers(0), axis=0)
    pairs = g.node("Reshape", g.node("Pad", state, ends), g.integers(0, -1, 2, WIDTH))
    merged = g.node("ReduceMean", pairs, g.integers(2), keepdims=0)
    return merged, g.node("Div", g.node("Add", count, g.integers(1)), g.integers(2))


def _positions(g: Builder, length: str) -> str:
    """Whisper's sinusoids by their formula, for any length: (C, E), sines in the first half, cosines after."""
    half = WIDTH // 2
    rates = np.exp(-np.log(10_000) / (half - 1) * np.arange(half)).astype(np.float32)
    numbers = g.node("Unsqueeze", g.node("Cast", steps(g, length), to=TensorProto.FLOAT), g.integers(1))
    angles = g.node("Mul", numbers, g.constant(rates))
    return g.node("Concat", g.node("Sin", angles), g.node("Cos", angles), axis=1)


def _last_of_each_head() -> Floats:
    """1 in the 65th column of each head, else 0: (520,)."""
    last = np.zeros(WIDTH // HEADS + 1, np.float32)
    last[-1] = 1
    return np.tile(last, HEADS)


def _attend(g: Builder, variables: Variables, state: str, absent: str) -> str:
    """Self-attention over the keys that exist.

    The mask rides in the product of queries and keys: each head gets a 65th column, 1 in the queries and in the
    keys `_FAR` where there is none. So no (C, C) mask is added, and the fused operator keeps its flash path,
    which needs no memory that grows with the square of the length.
    """
    weight, bias = variables["self_attention/linear_0/weight"], variables["self_attention/linear_0/bias"]
    wide = WIDTH + HEADS
    query, key, value = np.split(np.concatenate([weight, bias[:, None]], axis=1), 3)
    query, key = (
        np.pad(part.reshape(HEADS, -1, WIDTH + 1), ((0, 0), (0, 1), (0, 0))).reshape(wide, WIDTH + 1)
        for part in (query, key)
    )
    query[:, -1] += _last_of_each_head()
    joined = np.concatenate([query, key, value])
    normal = _layer_norm(g, variables, "self_attention", state)
    product = g.linear(normal, joined[:, :-1], joined[:, -1])
    queries, keys, values = g.nodes(
        "Split",
        product,
        g.integers(wide, wide, WIDTH),
        outputs=(f"{product}_q", f"{product}_k", f"{product}_v"),
        axis=2,
    )
    mixed = g.node(
        "MultiHeadAttention",
        queries,
        g.node("Add", keys, absent),
        values,
        domain="com.microsoft",
        num_heads=HEADS,
        scale=(WIDTH / HEADS) ** -0.5,
    )
    return g.linear(mixed, variables["self_attention/linear_1/weight"], variables["self_attention/linear_1/bias"])


def _feed(g: Builder, variables: Variables, state: str) -> str:
    normal = _layer_norm(g, variables, "ffn", state)
    inner = g.node("Gelu", g.linear(normal, variables["ffn/linear_0/weight"], variables["ffn/linear_0/bias"]))
    return g.linear(inner, variables["ffn/linear_1/weight"], variables["ffn/linear_1/bias"])


def _layer_norm(g: Builder, variables: Variables, part: str, state: str) -> str:
    scale = g.constant(variables[f"{part}/layer_norm/gamma"])
    shift = g.constant(variables[f"{part}/layer_norm/beta"])
    return g.node("LayerNormalization", state, scale, shift, epsilon=1e-5)


def _adapt(g: Builder, adaptor: Adaptor, states: str) -> str:
    """Gated units over the states of each frame: (B, T, D)."""
    weight = np.concatenate([adaptor.gate_weight, adaptor.value_weight])
    product = g.node("MatMul", states, g.node("Transpose", g.weight(weight), perm=[1, 0]))
    product = g.node("Add", product, g.constant(np.concatenate([adaptor.gate_bias, adaptor.value_bias])))
    gate, value = g.nodes("Split", product, outputs=("gate", "value"), axis=2, num_outputs=2)
    return g.node("Mul", g.node("Sigmoid", gate), g.node("Gelu", value))


def _twice(g: Builder, units: str, width: int) -> str:
    """Merged frames of 40 ms as two of 20 ms that are alike: (B, C / 2, D) to (B, C, D)."""
    pairs = g.node("Expand", g.node("Unsqueeze", units, g.integers(2)), g.integers(1, 1, 2, 1))
    return g.node("Reshape", pairs, g.integers(0, -1, width))


def _pool(g: Builder, units: str, length: str) -> None:
    """The units, 0 beyond a row's end, and their mean: `frames` (B, T, D), `embedding` (B, D)."""
    present = g.node("Cast", mask(g, "frame_count", length, (2,)), to=TensorProto.FLOAT, name="frame_mask")
    count = g.node("Cast", g.node("Max", "frame_count", g.integers(1)), to=TensorProto.FLOAT)
    shares = g.node("Div", present, g.node("Unsqueeze", count, g.integers(1, 2)))
    g.node("Transpose", shares, perm=[0, 2, 1], name="frame_shares")  # (B, 1, T)
    g.node("Mul", units, present, name="frames")
    g.node("Squeeze", _mean(g, "frames"), g.integers(1), name="embedding")


def _classify(g: Builder, adaptor: Adaptor) -> None:
    product = g.node("MatMul", "frames", g.constant(np.ascontiguousarray(adaptor.head_weight.T)))
    g.node(
        "Mul", g.node("Add", product, g.constant(adaptor.head_bias)), "frame_mask", name=f"{EMOTION}.frame_logits"
    )
    g.node("Squeeze", _mean(g, f"{EMOTION}.frame_logits"), g.integers(1), name=f"{EMOTION}.logits")


def _mean(g: Builder, frames: str) -> str:
    """The mean over a row's valid frames: (B, 1, width). A product with their shares is far faster than a sum."""
    return g.node("MatMul", "frame_shares", frames)
