"""A readout by itself: the part of a model from its frames to one readout's logits, taken out of its file.

A readout that isn't linear must be computed anew for every stretch of frames: a recording of several windows, a
segment, each step of the curve. It is small, so it runs on ONNX Runtime in float32, whatever the model runs on.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from emovox.errors import ModelError
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout
from emovox.silence import import_onnxruntime

Floats = NDArray[np.float32]
_INPUTS = {"embedding": ("B", "D"), "frames": ("B", "T", "D"), "frame_count": ("B",)}

Functions = Mapping[str, Callable[..., Floats]]
"""By the name of a readout, what computes its logits: of means (n, D), or of frames (n, T, D) and their counts."""


@dataclass
class ReadoutFunction:
    """From means of frames (n, D), or frames (n, T, D) and their counts (n,), to logits (n, K). Can be pickled."""

    name: str
    model: bytes = field(repr=False)
    _session: Any = field(default=None, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __call__(self, frames: Floats, counts: NDArray[np.int64] | None = None) -> Floats:
        """Compute the logits, float32 (n, K).

        Args:
            frames: means (n, D) for a pooled readout; for one of a window frames (n, T, D), zeros beyond their
                counts.
            counts: how many of the frames are valid, (n,), for one of a window.
        """
        with self._lock:
            if self._session is None:
                runtime = import_onnxruntime()
                options = runtime.SessionOptions()
                options.intra_op_num_threads = 1
                self._session = runtime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        rows = np.ascontiguousarray(frames, np.float32)
        inputs = {"embedding": rows} if counts is None else {"frames": rows, "frame_count": counts}
        names = {value.name for value in self._session.get_inputs()}
        feed = {name: value for name, value in inputs.items() if name in names}
        [logits] = self._session.run([f"{self.name}.logits"], feed)
        return np.asarray(logits, np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without its session, which belongs to a process."""
        return ReadoutFunction, (self.name, self.model)


def read_functions(path: Path, metadata: Metadata) -> dict[str, ReadoutFunction]:
    """The functions of a model's readouts that aren't linear, by their names.

    One that frames don't tell has none: the file itself gives its frame logits, the same for all of a window.

    Raises:
        ModelError: the file's graph has no such readout, or it needs more than the frames.
    """
    readouts = [readout for readout in metadata.readouts if readout.kind != "linear"]
    if not readouts:
        return {}
    model = onnx.load(str(path), load_external_data=False)
    outputs = {output.name for output in model.graph.output}
    return {
        readout.name: _extract(model, readout, path)
        for readout in readouts
        if f"{readout.name}.frame_logits" not in outputs
    }


def _extract(model: onnx.ModelProto, readout: Readout, path: Path) -> ReadoutFunction:
    makers = {output: node for node in model.graph.node for output in node.output}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    inputs, weights, nodes = set(), set(), set()
    waiting = [output := f"{readout.name}.logits"]
    while waiting:
        name = waiting.pop()
        if name in _INPUTS:
            inputs.add(name)
        elif name in tensors:
            weights.add(name)
        elif name in makers:
            if makers[name].output[0] not in nodes:
                nodes.add(makers[name].output[0])
                waiting += [value for value in makers[name].input if value]
        else:
            raise ModelError(f"{path}: the readout {readout.name} needs {name!r}, which isn't made of its frames")
    if inputs - ({"embedding"} if readout.kind == "pooled" else {"frames", "frame_count"}):
        raise ModelError(f"{path}: the readout {readout.name} isn't {readout.kind}: it needs {sorted(inputs)}")
    floats, integers = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    graph = helper.make_graph(
        [node for node in model.graph.node if node.output[0] in nodes],
        readout.name,
        [
            helper.make_tensor_value_info(name, integers if name == "frame_count" else floats, _INPUTS[name])
            for name in sorted(inputs)
        ],
        [helper.make_tensor_value_info(output, floats, ["B", len(readout.labels)])],
        [
            numpy_helper.from_array(numpy_helper.to_array(tensors[name], str(path.parent)), name)
            for name in sorted(weights)
        ],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return ReadoutFunction(readout.name, part.SerializeToString())
