"""The own head of a model, read from its file, for a trained head to start from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from emovox.emotions import NAMES
from emovox.models.runtime.engine import read_metadata


@dataclass(frozen=True)
class OwnHead:
    """The matrix and bias from a model's embeddings to the logits of its classes.

    Attributes:
        classes: that it was trained on.
        weights: float32 (classes, D).
        bias: float32 (classes,).
    """

    classes: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_own_head(path: Path) -> OwnHead | None:
    """The head of a model file: the matrix that its `frames` are multiplied by, and what is added to the product.

    Returns:
        None if the model has no head, or one that is more than a matrix and a bias.

    Raises:
        ModelError: the file can't be read, or isn't a model under the contract.
    """
    metadata = read_metadata(path)
    graph = onnx.load(str(path), load_external_data=False).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}

    def constant(names: list[str], shape: tuple[int, ...]) -> NDArray[np.float32] | None:
        for name in names:
            tensor = tensors.get(casts.get(name, name))
            if tensor is not None and tuple(tensor.dims) == shape:
                return np.asarray(numpy_helper.to_array(tensor, str(path.parent)), np.float32)
        return None

    readout = metadata.emotions
    if readout is None or readout.kind != "linear":
        return None
    old = metadata.contract == 1  # whose columns are the nine, known or not
    columns = [NAMES.index(label) if old else column for column, label in enumerate(readout.labels)]
    width = len(NAMES) if old else len(columns)
    for product in graph.node:
        if product.op_type != "MatMul" or product.input[0] != "frames":
            continue
        addition = next(
            (node for node in graph.node if node.op_type == "Add" and product.output[0] in node.input), None
        )
        weights = constant(list(product.input[1:]), (metadata.embedding_size, width))
        bias = None if addition is None else constant(list(addition.input), (width,))
        if weights is not None and bias is not None:
            names = readout.emotions if readout.is_nine else {}
            classes = tuple(names.get(label, label) for label in readout.labels)
            return OwnHead(classes, weights.T[columns], bias[columns])
    return None
