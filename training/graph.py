"""The model's graph: log-mel front end, three Whisper blocks, linear head, and pooling that is a mean.

Shapes: B rows, N samples, M mel frames (10 ms), C context frames and T frames (20 ms each), E Whisper's width,
D the width of an embedding. A row is worth its `samples`; what lies beyond is erased at once, so it may hold
anything. Half a second of zeros behind each row is context that the encoder sees and the outputs leave out.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from emovox.emotions import NAMES
from training.builder import Builder, Precision
from training.whisper import HEADS, Encoder

SAMPLE_RATE = 16_000
FFT = 400  # samples of a spectrum, 25 ms
MEL_HOP = 160  # samples, 10 ms
MELS = 80
HOP = 2 * MEL_HOP  # samples from frame to frame: the second convolution has stride 2
FIRST_CENTRE = 0.0  # seconds; frame t is centred on sample 320 t, the first one half over reflected signal
MINIMUM_SAMPLES = 1  # the first frame is centred on the first sample; what lies before it is mirrored
CONTEXT = SAMPLE_RATE // 2  # zeros behind the signal, samples
BLOCKS = 3  # of Whisper's six; the later ones know words better and emotions less
FEATURE_BLOCKS = (1, 2)  # counted from 0: the outputs of the second and third block
WIDTH = 512
EMBEDDING = WIDTH * len(FEATURE_BLOCKS)
_FAR = -1e5  # added to the attention score of a key that is not there: its weight underflows to exactly 0


def build(
    encoder: Encoder,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    precision: Precision,
    properties: dict[str, str],
) -> onnx.ModelProto:
    """Build the model under the contract.

    Args:
        encoder: Whisper's weights.
        weight: the head's, (9, D).
        bias: the head's, (9,).
        precision: how the encoder's weights are stored; the head stays float32.
        properties: the metadata to put in the file.
    """
    g = Builder(precision)
    total = g.node("Shape", "waveform", start=1, end=2)  # N
    samples = g.node("Clip", "samples", g.constant(np.array(0, np.int64)), _scalar(g, total))
    waveform = _normalise(g, samples, total)
    mel_count = g.node("Div", g.node("Add", samples, g.integers(CONTEXT)), g.integers(MEL_HOP))
    mel = _log_mel(g, waveform)
    states = _encode(g, encoder, mel, mel_count)

    ceiling = g.integers(HOP - 1)
    g.node("Div", g.node("Add", samples, ceiling), g.integers(HOP), name="frame_count")
    length = g.node("Div", g.node("Add", total, ceiling), g.integers(HOP))  # T
    _pool(g, [g.node("Slice", state, g.integers(0), length, g.integers(1)) for state in states], length)
    _classify(g, weight, bias)
    return g.model(
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["B", "N"]),
            helper.make_tensor_value_info("samples", TensorProto.INT64, ["B"]),
        ],
        [
            helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["B", "T", EMBEDDING]),
            helper.make_tensor_value_info("frame_logits", TensorProto.FLOAT, ["B", "T", len(NAMES)]),
            helper.make_tensor_value_info("frame_count", TensorProto.INT64, ["B"]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", EMBEDDING]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", len(NAMES)]),
        ],
        properties,
    )


def mel_filters() -> NDArray[np.float32]:
    """Triangular filters on Slaney's mel scale, each of area 1 in hertz: (80, 201) float32.

    The scale is linear to 1 kHz and logarithmic above (Slaney, Auditory Toolbox, 1998), as in Whisper.
    """
    linear_hz, corner_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    corner = corner_hz / linear_hz
    top = corner + np.log(SAMPLE_RATE / 2 / corner_hz) / log_step
    mels = np.linspace(0, top, MELS + 2)
    edges = np.where(mels < corner, linear_hz * mels, corner_hz * np.exp(log_step * (mels - corner)))[:, None]
    bins = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return filters.astype(np.float32)


def _fourier_basis() -> NDArray[np.float32]:
    """Cosines, then sines, under a periodic Hann window: (402, 1, 400)."""
    n = np.arange(FFT)
    angle = 2 * np.pi / FFT * (np.arange(FFT // 2 + 1)[:, None] * n % FFT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / FFT * n)
    basis: NDArray[np.float64] = np.concatenate([np.cos(angle), np.sin(angle)]) * window
    return basis[:, None].astype(np.float32)


def _scalar(g: Builder, vector: str) -> str:
    return g.node("Squeeze", vector, g.integers(0))


def _mask(g: Builder, count: str, length: str, axes: tuple[int, ...]) -> str:
    """True where a position is below the row's `count`: (B, length), with new `axes` of size 1."""
    steps = g.node(
        "Range", g.constant(np.array(0, np.int64)), _scalar(g, length), g.constant(np.array(1, np.int64))
    )
    mask = g.node("Less", g.node("Unsqueeze", steps, g.integers(0)), g.node("Unsqueeze", count, g.integers(1)))
    return g.node("Unsqueeze", mask, g.integers(*axes)) if axes else mask


def _normalise(g: Builder, samples: str, total: str) -> str:
    """Erase what is not signal and bring each row's peak to 1; silence stays silence: (B, N)."""
    signal = g.node("Where", _mask(g, samples, total, ()), "waveform", g.number(0))
    peak = g.node("ReduceMax", g.node("Abs", signal), g.integers(1), keepdims=1)
    return g.node("Div", signal, g.node("Max", peak, g.number(1e-30)))


def _log_mel(g: Builder, waveform: str) -> str:
    """Whisper's log-mel spectrogram of the signal and its context: (B, 80, M), M = (N + 8000) // 160.

    The context's zeros give the lowest value there is, so a row's maximum needs no mask.
    """
    half = FFT // 2
    behind = CONTEXT + half - MEL_HOP  # the last spectrum reaches no further
    padded = g.node("Pad", waveform, g.integers(0, 0, 0, behind))
    mirror = g.node("Slice", padded, g.integers(half), g.integers(0), g.integers(1), g.integers(-1))
    signal = g.node("Unsqueeze", g.node("Concat", mirror, padded, axis=1), g.integers(1))
    parts = g.node("Conv", signal, g.constant(_fourier_basis()), strides=[MEL_HOP])
    real, imaginary = g.nodes("Split", parts, outputs=("real", "imaginary"), axis=1, num_outputs=2)
    power = g.node("Add", g.node("Mul", real, real), g.node("Mul", imaginary, imaginary))
    mel = g.node("MatMul", g.constant(mel_filters()), power)
    log = g.node("Mul", g.node("Log", g.node("Max", mel, g.number(1e-10))), g.number(1 / np.log(10)))
    peak = g.node("ReduceMax", log, g.integers(1, 2), keepdims=1)
    log = g.node("Max", log, g.node("Sub", peak, g.number(8)))
    return g.node("Div", g.node("Add", log, g.number(4)), g.number(4))


def _encode(g: Builder, encoder: Encoder, mel: str, mel_count: str) -> list[str]:
    """Whisper's convolutions and first blocks; returns the states of `FEATURE_BLOCKS`, each (B, C, E)."""
    zero = g.number(0)
    mel_mask = _mask(g, mel_count, g.node("Shape", mel, start=2, end=3), (1,))
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
    absent = g.node("Where", _mask(g, count, length, (2,)), zero, g.number(_FAR))
    absent = g.node("Mul", absent, g.constant(_last_of_each_head()))  # (B, C, 520)
    states = []
    for block in range(BLOCKS):
        variables = {
            name.removeprefix(f"layer_{block}/"): values
            for name, values in encoder.variables.items()
            if name.startswith(f"layer_{block}/")
        }
        state = g.node("Add", state, _attend(g, variables, state, absent))
        state = g.node("Add", state, _feed(g, variables, state))
        if block in FEATURE_BLOCKS:
            states.append(state)
    return states


def _positions(g: Builder, length: str) -> str:
    """Whisper's sinusoids by their formula, for any length: (C, E), sines in the first half, cosines after."""
    half = WIDTH // 2
    rates = np.exp(-np.log(10_000) / (half - 1) * np.arange(half)).astype(np.float32)
    steps = g.node(
        "Range", g.constant(np.array(0, np.int64)), _scalar(g, length), g.constant(np.array(1, np.int64))
    )
    steps = g.node("Unsqueeze", g.node("Cast", steps, to=TensorProto.FLOAT), g.integers(1))
    angles = g.node("Mul", steps, g.constant(rates))
    return g.node("Concat", g.node("Sin", angles), g.node("Cos", angles), axis=1)


def _last_of_each_head() -> NDArray[np.float32]:
    """1 in the 65th column of each head, else 0: (520,)."""
    last = np.zeros(WIDTH // HEADS + 1, np.float32)
    last[-1] = 1
    return np.tile(last, HEADS)


def _attend(g: Builder, variables: dict[str, NDArray[np.float32]], state: str, absent: str) -> str:
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


def _feed(g: Builder, variables: dict[str, NDArray[np.float32]], state: str) -> str:
    normal = _layer_norm(g, variables, "ffn", state)
    inner = g.node("Gelu", g.linear(normal, variables["ffn/linear_0/weight"], variables["ffn/linear_0/bias"]))
    return g.linear(inner, variables["ffn/linear_1/weight"], variables["ffn/linear_1/bias"])


def _layer_norm(g: Builder, variables: dict[str, NDArray[np.float32]], part: str, state: str) -> str:
    scale = g.constant(variables[f"{part}/layer_norm/gamma"])
    shift = g.constant(variables[f"{part}/layer_norm/beta"])
    return g.node("LayerNormalization", state, scale, shift, epsilon=1e-5)


def _pool(g: Builder, states: list[str], length: str) -> None:
    """The states side by side, 0 beyond a row's end, and their mean: `frames` (B, T, D), `embedding` (B, D)."""
    mask = g.node("Cast", _mask(g, "frame_count", length, (2,)), to=TensorProto.FLOAT, name="frame_mask")
    count = g.node("Cast", g.node("Max", "frame_count", g.integers(1)), to=TensorProto.FLOAT)
    shares = g.node("Div", mask, g.node("Unsqueeze", count, g.integers(1, 2)))
    g.node("Transpose", shares, perm=[0, 2, 1], name="frame_shares")  # (B, 1, T)
    g.node("Mul", g.node("Concat", *states, axis=2), mask, name="frames")
    g.node("Squeeze", _mean(g, "frames"), g.integers(1), name="embedding")


def _classify(g: Builder, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    product = g.node("MatMul", "frames", g.constant(np.ascontiguousarray(weight.T)))
    g.node("Mul", g.node("Add", product, g.constant(bias)), "frame_mask", name="frame_logits")
    g.node("Squeeze", _mean(g, "frame_logits"), g.integers(1), name="logits")


def _mean(g: Builder, frames: str) -> str:
    """The mean over a row's valid frames: (B, 1, width). A product with their shares is far faster than a sum."""
    return g.node("MatMul", "frame_shares", frames)
