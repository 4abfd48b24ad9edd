"""Graphs that are run while a model is made."""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from emovox.audio.waveform import Waveform


def open_session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, output: str, waveform: Waveform) -> NDArray[np.float32]:
    """One output for one waveform, without the batch axis."""
    feeds = {"waveform": waveform[None], "samples": np.array([len(waveform)], np.int64)}
    values: NDArray[np.float32] = session.run([output], feeds)[0][0]
    return values
