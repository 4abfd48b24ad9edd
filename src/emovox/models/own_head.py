"""The own head of a model, read from its file, for a trained head to start from and for baselines to move."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.readout import EMOTION, Readout
from emovox.models.runtime.engine import read_metadata

Floats = NDArray[np.float32]


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
    weights: Floats
    bias: Floats
    emotions: Mapping[str, str] = field(default_factory=dict)


def read_own_head(path: Path) -> OwnHead | None:
    """The head of a model file: the matrix that its `frames` are multiplied by, and what is added to the product.

    It is that of the emotions, or else of the first linear readout of classes that exclude each other.

    Returns:
        None if the model has no such readout, or one that is more than a matrix and a bias.

    Raises:
        ModelError: the file can't be read, or isn't a model under the contract.
    """
    metadata = read_metadata(path)
    readouts = [item for item in metadata.readouts if item.kind == "linear" and item.activation == "softmax"]
    if not readouts:
        return None
    readout = next((item for item in readouts if item is metadata.emotions), readouts[0])
    layer = _Layer(path, metadata, readout)
    weights, bias = layer.weights, layer.bias
    if weights is None or bias is None:
        return None
    if readout.is_nine:
        return OwnHead(tuple(readout.emotions[label] for label in readout.labels), weights, bias)
    return OwnHead(readout.labels, weights, bias, readout.emotions)


def read_weights(path: Path, metadata: Metadata, readout: Readout) -> Floats | None:
    """The matrix (K, D) by which a linear readout of a model file turns embeddings into logits, up to a constant.

    Args:
        path: of the file.
        metadata: the file's, or the same with a mapping.
        readout: one of its linear ones.

    Returns:
        None if the file doesn't show it, such as where it is rounded to int8.
    """
    return _Layer(path, metadata, readout).weights


class _Layer:
    """The product with `frames` that a readout's logits of frames come from."""

    def __init__(self, path: Path, metadata: Metadata, readout: Readout) -> None:
        self._graph = onnx.load(str(path), load_external_data=False).graph
        self._directory = str(path.parent)
        self._tensors = {tensor.name: tensor for tensor in self._graph.initializer}
        self._casts = {node.output[0]: node.input[0] for node in self._graph.node if node.op_type == "Cast"}
        old = metadata.contract == 1  # whose columns are the nine, known or not
        self._columns = [NAMES.index(label) if old else column for column, label in enumerate(readout.labels)]
        self._shape = (metadata.embedding_size, len(NAMES) if old else len(self._columns))
        name = f"{readout.name}.frame_logits"
        self._output = name.removeprefix(f"{EMOTION}.") if old else name
        self._product = self._find(self._output)

    @property
    def weights(self) -> Floats | None:
        """(K, D)."""
        values = None if self._product is None else self._constant(list(self._product.input[1:]), self._shape)
        return None if values is None else values.T[self._columns]

    @property
    def bias(self) -> Floats | None:
        """(K,)."""
        product = self._product
        if product is not None and product.output[0] == self._output:  # nothing is added
            return np.zeros(len(self._columns), np.float32)
        addition = next(
            (
                node
                for node in self._graph.node
                if product is not None and node.op_type == "Add" and product.output[0] in node.input
            ),
            None,
        )
        values = None if addition is None else self._constant(list(addition.input), self._shape[1:])
        return None if values is None else values[self._columns]

    def _find(self, output: str) -> onnx.NodeProto | None:
        """The product of `frames` that leads to an output, whatever is done to it on the way."""
        makers: dict[str, onnx.NodeProto] = {name: node for node in self._graph.node for name in node.output}
        waiting, seen = [output], set()
        while waiting:
            name = waiting.pop()
            node = makers.get(name)
            if node is None or name in seen or name == "frames":
                continue
            seen.add(name)
            if node.op_type == "MatMul" and node.input[0] == "frames":
                return node
            waiting += node.input
        return None

    def _constant(self, names: list[str], shape: tuple[int, ...]) -> Floats | None:
        for name in names:
            tensor = self._tensors.get(self._casts.get(name, name))
            if tensor is not None and tuple(tensor.dims) == shape:
                return np.asarray(numpy_helper.to_array(tensor, self._directory), np.float32)
        return None
