"""A tiny model under the contract, made on the spot: its numbers can be worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emovox.models.metadata import Metadata

HOP, LEAST = 320, 400


def metadata(**changes: Any) -> Metadata:
    facts: dict[str, Any] = {
        "name": "tiny", "revision": "1", "precision": "fp32", "licence": "MIT", "source": "a test",
        "source_sha256": "0" * 64, "classes": ("angry", "happy", "sad"), "hop": HOP, "first_centre": 0.0125,
        "minimum_samples": LEAST, "embedding_size": 1,
    }  # fmt: skip
    return Metadata(**{**facts, **changes})


def write(path: Path, **changes: Any) -> Path:
    """A model whose frame is the mean of 400 samples, and whose logits are frame × (1, 2, … 9)."""
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["planes"]),
        helper.make_node("Conv", ["planes", "mean"], ["means"], strides=[HOP]),
        helper.make_node("Sub", ["samples", "least"], ["beyond"]),
        helper.make_node("Div", ["beyond", "hop"], ["hops"]),
        helper.make_node("Add", ["hops", "one"], ["frame_count"]),
        helper.make_node("Transpose", ["means"], ["all_frames"], perm=[0, 2, 1]),
        helper.make_node("Shape", ["all_frames"], ["length"], start=1, end=2),
        helper.make_node("Squeeze", ["length"], ["steps"]),
        helper.make_node("Range", ["nil", "steps", "step"], ["positions"]),
        helper.make_node("Unsqueeze", ["frame_count", "one"], ["counts"]),
        helper.make_node("Less", ["positions", "counts"], ["valid"]),
        helper.make_node("Unsqueeze", ["valid", "two"], ["valid_frames"]),
        helper.make_node("Where", ["valid_frames", "all_frames", "zero"], ["frames"]),
        helper.make_node("MatMul", ["frames", "head"], ["frame_logits"]),
        helper.make_node("Cast", ["counts"], ["divisors"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["frames", "one"], ["sums"], keepdims=0),
        helper.make_node("Div", ["sums", "divisors"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "head"], ["logits"]),
    ]
    constants = {
        "mean": np.full((1, 1, LEAST), 1 / LEAST, np.float32),
        "head": np.arange(1, 10, dtype=np.float32)[np.newaxis],
        "one": np.array([1]), "two": np.array([2]), "least": np.array([LEAST]), "hop": np.array([HOP]),
        "nil": np.array(0), "step": np.array(1), "zero": np.float32(0),
    }  # fmt: skip
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("waveform", floats, ["B", "N"]),
            helper.make_tensor_value_info("samples", ints, ["B"]),
        ],
        [
            helper.make_tensor_value_info("frames", floats, ["B", "T", 1]),
            helper.make_tensor_value_info("frame_logits", floats, ["B", "T", 9]),
            helper.make_tensor_value_info("frame_count", ints, ["B"]),
            helper.make_tensor_value_info("embedding", floats, ["B", 1]),
            helper.make_tensor_value_info("logits", floats, ["B", 9]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata(**changes).to_properties())
    onnx.save(model, str(path))
    return path
