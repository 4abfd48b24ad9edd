"""Whisper's log-mel spectrogram as parts of an ONNX graph, float32 in every precision.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356, section 2.2; WhisperFeatureExtractor in transformers
4.57 and 5.24 (Apache-2.0) for the numbers; Slaney 1998, Auditory Toolbox, for the scale.
"""

import numpy as np
import numpy.typing as npt

from emovox.models.onnx.graph import END, Graph

Floats = npt.NDArray[np.float32]

RATE = 16_000
FFT = 400
"""Samples of a spectrum."""
STEP = 160
"""Samples from one spectrum to the next."""
_BINS = FFT // 2 + 1
_LEAST = 1e-10
_DYNAMIC = 8  # powers of ten below the loudest that are told apart


def mel_filters(bands: int) -> Floats:
    """Triangles on Slaney's mel scale up to half the rate, each of area 1 in hertz: (201, bands).

    The scale is linear to 1 kHz and logarithmic above.
    """
    step, corner, growth = 200 / 3, 1000.0, np.log(6.4) / 27
    start = corner / step
    mels = np.linspace(0, start + np.log(RATE / 2 / corner) / growth, bands + 2)
    edges = np.where(mels < start, step * mels, corner * np.exp(growth * (mels - start)))
    bins = np.arange(_BINS)[:, None] * RATE / FFT
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return np.asarray(triangles * 2 / (high - low), np.float32)


def log_mel(graph: Graph, signal: str, *, bands: int, steps: int) -> str:
    """The spectrogram of each row by itself: (R, steps, bands) of (R, 160 x steps).

    Spectra are of the samples around each multiple of 160, mirrored before the first and behind the last. The
    loudest place of a row decides what is too soft to tell.
    """
    signal = _with_mirrors(graph, signal, steps)
    rows = graph.add("Reshape", signal, graph.integers(0, -1, STEP))
    waves = ""
    for first in range(0, FFT, STEP):  # a spectrum's samples are two rows and half a third
        width = min(STEP, FFT - first)
        piece = graph.slice(rows, first // STEP, first // STEP + steps, axis=1)
        piece = graph.slice(piece, 0, END if width == STEP else width, axis=2)
        basis = graph.weight(f"spectrogram.waves.{first}", _waves()[first : first + width])
        product = graph.add("MatMul", piece, basis)
        waves = graph.add("Add", waves, product) if waves else product
    real, imaginary = graph.split(waves, [_BINS, _BINS], axis=2)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    mel = graph.add("MatMul", power, graph.weight("spectrogram.filters", mel_filters(bands)))
    log = graph.add("Log", graph.add("Max", mel, graph.number(_LEAST)))
    log = graph.add("Mul", log, graph.number(1 / np.log(10)))
    loudest = graph.add("ReduceMax", log, graph.integers(1, 2))
    log = graph.add("Max", log, graph.add("Sub", loudest, graph.number(_DYNAMIC)))
    return graph.add("Mul", graph.add("Add", log, graph.number(4)), graph.number(0.25))


def _with_mirrors(graph: Graph, signal: str, steps: int) -> str:
    """A signal of 160 x steps between what lies before and behind it, as whole rows."""
    half = FFT // 2
    before = graph.add("Slice", signal, *(graph.integers(value) for value in (half, 0, 1, -1)))
    behind = FFT - half - STEP  # the last spectrum reaches no further
    last = STEP * steps - 2
    after = graph.add("Slice", signal, *(graph.integers(value) for value in (last, last - behind, 1, -1)))
    joined = graph.add("Concat", before, signal, after, axis=1)
    return graph.add("Pad", joined, graph.integers(0, 0, 0, 2 * STEP - half - behind))


def _waves() -> Floats:
    """Cosines, then sines, of each bin under a periodic Hann window: (400, 2 x 201)."""
    samples = np.arange(FFT)[:, None]
    angles = 2 * np.pi / FFT * (samples * np.arange(_BINS) % FFT)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / FFT * samples)
    return np.asarray(np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window, np.float32)
