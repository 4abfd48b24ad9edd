"""Running converted models by themselves, on sound made on the spot."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emovox.silence import import_onnxruntime

Floats = npt.NDArray[np.float32]
Outputs = dict[str, npt.NDArray[Any]]


def load(path: Path) -> Any:
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session: Any, *waveforms: npt.NDArray[np.float32], rows: Any = None) -> Outputs:
    """Run a batch; ``rows`` is the padded batch where it is not padded with zeros to the longest."""
    samples = np.array([len(waveform) for waveform in waveforms])
    if rows is None:
        rows = np.zeros((len(waveforms), samples.max()), np.float32)
        for row, waveform in zip(rows, waveforms, strict=True):
            row[: len(waveform)] = waveform
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"waveform": rows, "samples": samples}), strict=True))


def speech(samples: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Noise that swells and drifts, so that no two frames are alike and the mean is not zero."""
    generator = np.random.default_rng(seed)
    swell = 0.1 + np.abs(np.sin(np.arange(samples) / 3000 + seed))
    return (generator.standard_normal(samples) * swell * 0.1 + 0.02).astype(np.float32)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    raised = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(raised / raised.sum())
