"""Graphs that are run while a model is made."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from emovox.audio.waveform import Waveform
from emovox.silence import import_onnxruntime


def open_session(model: onnx.ModelProto, threads: int) -> Any:
    """An ONNX Runtime session on the CPU."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(session: Any, output: str, waveform: Waveform) -> NDArray[np.float32]:
    """One output for one waveform, without the batch axis."""
    feeds = {"waveform": waveform[None], "samples": np.array([len(waveform)], np.int64)}
    values: NDArray[np.float32] = session.run([output], feeds)[0][0]
    return values
