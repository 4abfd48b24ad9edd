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
CONTEXT = SAMPLE_RATE // 25  # zeros behind the signal, samples; Whisper heard its speech followed by silence


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
    """Cosines, then sines, under a periodic Hann window, up to a quarter of the rate: (2 · 202, 1, 200).

    The first half is for the even samples of a spectrum, the second for the odd ones.
    """
    bins = np.arange(FFT // 4 + 1)[:, None]
    parts = []
    for first in (0, 1):
        n = np.arange(first, FFT, 2)
        angle = 2 * np.pi / FFT * (bins * n % FFT)
        window = 0.5 - 0.5 * np.cos(2 * np.pi / FFT * n)
        parts.append(np.concatenate([np.cos(angle), np.sin(angle)]) * window)
    basis: NDArray[np.float64] = np.concatenate(parts)
    return basis[:, None].astype(np.float32)


def _power(g: Builder, signal: str) -> str:
    """Power spectra of a signal (B, length) of even length: (B, 201, M).

    A bin k and the bin 200 - k are the sum and the difference of what the even and the odd samples give, which
    halves the work of a product with all cosines and sines.
    """
    pairs = g.node("Transpose", g.node("Reshape", signal, g.integers(0, -1, 2)), perm=[0, 2, 1])
    parts = g.node("Conv", pairs, g.constant(_fourier_basis()), strides=[MEL_HOP // 2], group=2)
    names = ("even_real", "even_imaginary", "odd_real", "odd_imaginary")
    even_real, even_imaginary, odd_real, odd_imaginary = g.nodes(
        "Split", parts, outputs=names, axis=1, num_outputs=4
    )

    def power(operator: str) -> str:
        real, imaginary = g.node(operator, even_real, odd_real), g.node(operator, even_imaginary, odd_imaginary)
        return g.node("Add", g.node("Mul", real, real), g.node("Mul", imaginary, imaginary))

    # The middle bin comes out of both: the mirrored half leaves it out.
    upper = g.node(
        "Slice", power("Sub"), g.integers(FFT // 4 - 1), g.integers(-(FFT // 4) - 2), g.integers(1), g.integers(-1)
    )
    return g.node("Concat", power("Add"), upper, axis=1)


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
    signal = g.node("Concat", mirror, padded, axis=1)
    odd = g.node("Mod", g.node("Shape", signal, start=1, end=2), g.integers(2))
    signal = g.node("Pad", signal, g.node("Concat", g.integers(0, 0, 0), odd, axis=0))
    mel = g.node("MatMul", g.constant(mel_filters()), _power(g, signal))
    log = g.node("Mul", g.node("Log", g.node("Max", mel, g.number(1e-10))), g.number(1 / np.log(10)))
    peak = g.node("ReduceMax", log, g.integers(1, 2), keepdims=1)
    log = g.node("Max", log, g.node("Sub", peak, g.number(8)))
    return g.node("Div", g.node("Add", log, g.number(4)), g.number(4))
