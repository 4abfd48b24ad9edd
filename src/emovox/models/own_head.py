"""The own head of a model, read from its file, for a trained head to start from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout
from emovox.models.runtime.engine import read_metadata


@dataclass(frozen=True)
class OwnHead:
    """The matrix and bias from a model's embeddings to the logits of its classes.

    Attributes:
        classes: that it was trained on.
        weights: float32 (classes, D).
        bias: float32 (classes,).
        emotions: which of the nine a class is, where its name doesn't say it.
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    emotions: Mapping[str, str] = field(default_factory=dict)


def read_own_head(path: Path) -> OwnHead | None:
    """The head of a model file: the matrix that its `frames` are multiplied by, and what is added to the product.

    It is that of the emotions, or else of the first linear readout of classes.

    Returns:
        None if the model has no such readout, or one that is more than a matrix and a bias.

    Raises:
        ModelError: the file can't be read, or isn't a model under the contract.
    """
    metadata = read_metadata(path)
    readout = _readout(metadata)
    if readout is None:
        return None
    graph = onnx.load(str(path), load_external_data=False).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}

    def constant(names: list[str], shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        for name in names:
            tensor = tensors.get(casts.get(name, name))
            if tensor is not None and tuple(tensor.dims) == shape:
                return np.asarray(numpy_helper.to_array(tensor, str(path.parent)), np.float32)
        return None

    old = metadata.contract == 1  # whose columns are the nine, known or not
    columns = [NAMES.index(label) if old else column for column, label in enumerate(readout.labels)]
    width = len(NAMES) if old else len(columns)
    output = "frame_logits" if old else f"{readout.name}.frame_logits"
    nodes = _nodes_behind(graph, output)
    for product in nodes:
        if product.op_type != "MatMul" or product.input[0] != "frames":
            continue
        addition = next(
            (node for node in nodes if node.op_type == "Add" and product.output[0] in node.input), None
        )
        weights = constant(list(product.input[1:]), (metadata.embedding_size, width))
        bias = None
        if addition is not None:
            bias = constant(list(addition.input), (width,))
        elif product.output[0] == output:
            bias = np.zeros(width, np.float32)
        if weights is not None and bias is not None:
            names = readout.emotions if readout.is_nine else {}
            classes = tuple(names.get(label, label) for label in readout.labels)
            emotions = {} if readout.is_nine else readout.emotions
            return OwnHead(classes, weights.T[columns], bias[columns], emotions)
    return None


def _readout(metadata: Metadata) -> Readout | None:
    """The readout of emotions, or else the first one of classes, if it is linear."""
    classes = [item for item in metadata.readouts if item.activation == "softmax" and item.kind == "linear"]
    return metadata.emotions if metadata.emotions in classes else next(iter(classes), None)


def _nodes_behind(graph: onnx.GraphProto, output: str) -> list[onnx.NodeProto]:
    """The nodes that an output is computed by, from `frames` on, nearest first."""
    producers = {name: node for node in graph.node for name in node.output if name != "frames"}
    nodes: dict[str, onnx.NodeProto] = {}
    waiting = [output]
    for name in waiting:
        node = producers.get(name)
        if node is not None and node.output[0] not in nodes:
            nodes[node.output[0]] = node
            waiting += node.input
    return list(nodes.values())
