"""A tiny model under the contract, made on the spot: its numbers can be worked out by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout

HOP, LEAST = 320, 400


def classes(*labels: str, **changes: Any) -> Readout:
    """A linear readout of classes, which are emotions if they are called so."""
    facts: dict[str, Any] = {
        "name": "emotion", "kind": "linear", "activation": "softmax", "labels": labels,
        "emotions": {label: label for label in labels if label in NAMES},
    }  # fmt: skip
    return Readout(**{**facts, **changes})


EMOTIONS = classes("angry", "happy", "sad")
FOREIGN = classes("rabbia", "gioia", "paura", "calma", "noia")
"""Five classes, none of which is one of the nine by its name."""
CALLS = classes(
    "calm", "angry", "furious", "happy",
    emotions={"calm": "neutral", "angry": "angry", "furious": "angry", "happy": "happy"},
)  # fmt: skip
"""Classes of its own that are all of the nine, two of them of one."""
MOODS = classes("tired", "bored", "angry", name="mood", activation="sigmoid")
"""Several of them can be true."""
DIMENSIONS = Readout(
    name="dimensions", kind="pooled", activation="none", labels=("arousal", "dominance", "valence"), range=(0, 1)
)
"""Values: tanh of the mean of the frames, times 1, 2, 3."""
PEAK = Readout(name="peak", kind="window", activation="softmax", labels=("low", "high"))
"""A readout of a window: its logits are the largest frame, times 1 and 2."""


def metadata(**changes: Any) -> Metadata:
    facts: dict[str, Any] = {
        "name": "tiny", "revision": "1", "precision": "fp32", "licence": "MIT", "source": "a test",
        "source_sha256": "0" * 64, "readouts": (EMOTIONS,), "hop": HOP, "first_centre": 0.0125,
        "minimum_samples": LEAST, "embedding_size": 1,
    }  # fmt: skip
    return Metadata(**{**facts, **changes})


def write(path: Path, *, scale: float = 1, **changes: Any) -> Path:
    """A model whose frame is the mean of 400 samples × scale; a linear readout's logits are frame × (1, 2, …)."""
    facts = metadata(**changes)
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
        helper.make_node("Cast", ["counts"], ["divisors"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["frames", "one"], ["sums"], keepdims=0),
        helper.make_node("Div", ["sums", "divisors"], ["embedding"]),
    ]
    constants = {
        "mean": np.full((1, 1, LEAST), scale / LEAST, np.float32),
        "one": np.array([1]), "two": np.array([2]), "least": np.array([LEAST]), "hop": np.array([HOP]),
        "nil": np.array(0), "step": np.array(1), "zero": np.float32(0),
    }  # fmt: skip
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    outputs = [
        helper.make_tensor_value_info("frames", floats, ["B", "T", 1]),
        helper.make_tensor_value_info("frame_count", ints, ["B"]),
        helper.make_tensor_value_info("embedding", floats, ["B", 1]),
    ]
    for readout in facts.readouts:
        name, width = readout.name, len(readout.labels)
        constants[f"{name}.matrix"] = np.arange(1, width + 1, dtype=np.float32)[np.newaxis]
        nodes += _readout(readout)
        outputs.append(helper.make_tensor_value_info(f"{name}.logits", floats, ["B", width]))
        if readout.kind == "linear":
            outputs.append(helper.make_tensor_value_info(f"{name}.frame_logits", floats, ["B", "T", width]))
    return _save(path, nodes, constants, outputs, facts.to_properties())


def write_old(path: Path, *, known: Sequence[str] = ("angry", "happy", "sad")) -> Path:
    """The same under contract 1: nine columns, frame × (1, 2, … 9), of which some emotions are known."""
    write(path, readouts=(classes(*NAMES),))
    model = onnx.load(str(path))
    properties = {item.key: item.value for item in model.metadata_props}
    del properties["emovox.readouts"]
    properties |= {"emovox.contract": "1", "emovox.classes": _json(known), "emovox.labels": _json(NAMES)}
    del model.metadata_props[:]
    helper.set_model_props(model, properties)
    for item in (*model.graph.node, *model.graph.output):
        names = item.output if isinstance(item, onnx.NodeProto) else None
        if names is None:
            item.name = item.name.removeprefix("emotion.")
        else:
            names[:] = [name.removeprefix("emotion.") if "logits" in name else name for name in names]
    onnx.save(model, str(path))
    return path


def _json(names: Sequence[str]) -> str:
    return f"[{', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)}]"


def _readout(readout: Readout) -> list[onnx.NodeProto]:
    name = readout.name
    if readout.kind == "linear":
        return [
            helper.make_node("MatMul", ["frames", f"{name}.matrix"], [f"{name}.frame_logits"]),
            helper.make_node("MatMul", ["embedding", f"{name}.matrix"], [f"{name}.logits"]),
        ]
    if readout.kind == "pooled":
        return [
            helper.make_node("Tanh", ["embedding"], [f"{name}.hidden"]),
            helper.make_node("MatMul", [f"{name}.hidden", f"{name}.matrix"], [f"{name}.logits"]),
        ]
    return [
        helper.make_node("ReduceMax", ["frames", "one"], [f"{name}.largest"], keepdims=0),
        helper.make_node("MatMul", [f"{name}.largest", f"{name}.matrix"], [f"{name}.logits"]),
    ]


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any],
    outputs: list[onnx.ValueInfoProto],
    properties: dict[str, str],
) -> Path:
    inputs = [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["B", "N"]),
        helper.make_tensor_value_info("samples", TensorProto.INT64, ["B"]),
    ]
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, properties)
    onnx.save(model, str(path))
    return path
