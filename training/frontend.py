"""The front end of the graph: what is signal, its level, and Whisper's log-mel spectrogram.

Shapes: B rows, N samples, M mel frames of 10 ms.
"""

import numpy as np
from numpy.typing import NDArray

from training.builder import Builder

SAMPLE_RATE = 16_000
FFT = 400  # samples of a spectrum, 25 ms
MEL_HOP = 160  # samples, 10 ms
MELS = 80
CONTEXT = SAMPLE_RATE // 10  # zeros behind the signal, samples; Whisper heard its speech followed by silence


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


def scalar(g: Builder, vector: str) -> str:
    """The only element of a vector."""
    return g.node("Squeeze", vector, g.integers(0))


def steps(g: Builder, length: str) -> str:
    """0, 1, … below a length: int64 (length,)."""
    return g.node("Range", g.constant(np.array(0, np.int64)), scalar(g, length), g.constant(np.array(1, np.int64)))


def mask(g: Builder, count: str, length: str, axes: tuple[int, ...]) -> str:
    """True where a position is below the row's `count`: (B, length), with new `axes` of size 1."""
    numbers = g.node("Unsqueeze", steps(g, length), g.integers(0))
    below = g.node("Less", numbers, g.node("Unsqueeze", count, g.integers(1)))
    return g.node("Unsqueeze", below, g.integers(*axes)) if axes else below


def normalise(g: Builder, samples: str, total: str) -> str:
    """Erase what is not signal and bring each row's peak to 1; silence stays silence: (B, N)."""
    signal = g.node("Where", mask(g, samples, total, ()), "waveform", g.number(0))
    peak = g.node("ReduceMax", g.node("Abs", signal), g.integers(1), keepdims=1)
    return g.node("Div", signal, g.node("Max", peak, g.number(1e-30)))


def log_mel(g: Builder, waveform: str) -> str:
    """Whisper's log-mel spectrogram of the signal and its context: (B, 80, M), M = (N + context) // 160.

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
