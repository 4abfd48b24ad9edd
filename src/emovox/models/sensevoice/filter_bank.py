"""Kaldi's filter bank as parts of an ONNX graph, float32 in every precision.

Source: the Kaldi speech recognition toolkit, feat/feature-window.cc and feat/mel-computations.cc (Apache-2.0),
with the settings of FunASR's WavFrontend. The noise that both add by default, one step of 16 bits, is left out.
"""

import numpy as np
import numpy.typing as npt

from emovox.models.onnx.graph import END, Graph
from emovox.models.sensevoice.snapshot import STEP, WINDOW

Floats = npt.NDArray[np.float32]

RATE = 16_000
_FULL_SCALE = 1 << 15
_FFT = 512
_BINS = _FFT // 2  # without that of half the rate
_LOWEST = 20.0  # hertz
_PREEMPHASIS = 0.97
_LEAST = float(np.finfo(np.float32).eps)
_ROWS = -(-WINDOW // STEP)


def mel_filters(bands: int) -> Floats:
    """Triangles on O'Shaughnessy's mel scale from 20 Hz to half the rate, each 1 at its middle: (256, bands)."""

    def mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return 1127 * np.log1p(np.asarray(hertz, np.float64) / 700)

    edges = np.linspace(mel(_LOWEST), mel(RATE / 2), bands + 2)
    bins = mel(np.arange(_BINS) * RATE / _FFT)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.maximum(0, triangles).astype(np.float32)


def log_mel(graph: Graph, signal: str, *, bands: int, steps: str) -> str:
    """The logarithms of the bands of each spectrum, (B, steps, bands).

    Args:
        graph: what is added to.
        signal: (B, 160 x (steps + 2)).
        bands: how many.
        steps: spectra of each row, a vector of one.
    """
    rows = graph.add("Reshape", signal, graph.integers(0, -1, STEP))
    pieces = []
    for index in range(_ROWS):  # a spectrum's samples are two rows and half a third
        width = min(STEP, WINDOW - index * STEP)
        piece = graph.slice(rows, index, graph.add("Add", steps, graph.integers(index)), axis=1)
        pieces.append(graph.slice(piece, 0, END if width == STEP else width, axis=2))
    samples = graph.add("Concat", *pieces, axis=2)
    samples = graph.add("Sub", samples, graph.add("ReduceMean", samples, graph.integers(2)))
    waves = graph.add("MatMul", samples, graph.weight("filter_bank.waves", _waves()))
    real, imaginary = graph.split(waves, [_BINS, _BINS], axis=2)
    power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
    mel = graph.add("MatMul", power, graph.weight("filter_bank.filters", mel_filters(bands)))
    return graph.add("Log", graph.add("Max", mel, graph.number(_LEAST)))


def _waves() -> Floats:
    """Cosines, then sines, of each bin under a Hamming window, of what pre-emphasis makes of samples: (400, 512).

    Pre-emphasis takes from each sample the share of the one before it, from the first that of itself.
    """
    samples = np.arange(WINDOW)[:, None]
    angles = 2 * np.pi / _FFT * (samples * np.arange(_BINS) % _FFT)
    window = 0.54 - 0.46 * np.cos(2 * np.pi / (WINDOW - 1) * samples)
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window * _FULL_SCALE
    emphasised = waves - _PREEMPHASIS * np.concatenate([waves[1:], np.zeros_like(waves[:1])])
    emphasised[0] -= _PREEMPHASIS * waves[0]
    return np.asarray(emphasised, np.float32)
