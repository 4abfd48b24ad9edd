"""The command that adds neutral's constant to the head of a model file that was fitted without it.

python -m training.shift lite-5.onnx src/emovox/models/bundled/lite.onnx

Nothing else of the graph changes, so the embeddings are those of the file that was given, bit for bit, and the new
file says whose they are.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from emovox.emotions import NAMES
from emovox.models.metadata import CONTRACT, Metadata
from emovox.models.runtime.engine import read_metadata
from training.neutral import NEUTRAL
from training.train import REVISION


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.shift", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the .onnx file without the constant")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    options = parser.parse_args()
    old = read_metadata(options.model)
    if old.contract != CONTRACT:
        parser.error("the model is under contract 1: bring it to this one with `python -m training.restamp`")
    metadata = old.model_copy(
        update={
            "revision": REVISION,
            "embedding_revision": old.embeddings_of,
            "embedding_checksum": hashlib.sha256(options.model.read_bytes()).hexdigest(),
        }
    )
    model = onnx.load(options.model)
    shift(model, NEUTRAL, metadata)
    onnx.save(model, options.out)


def shift(model: onnx.ModelProto, constant: float, metadata: Metadata) -> None:
    """Add a constant to neutral's logit in a model that `training.graph` built, and change what it says of itself.

    Raises:
        ValueError: the model's head is no matrix and bias on `frames`.
    """
    bias = _bias(model.graph)
    values = numpy_helper.to_array(bias).copy()
    values[NAMES.index("neutral")] += np.float32(constant)
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata.to_properties())


def _bias(graph: onnx.GraphProto) -> onnx.TensorProto:
    products = {node.output[0] for node in graph.node if node.op_type == "MatMul" and node.input[0] == "frames"}
    names = {
        name
        for node in graph.node
        if node.op_type == "Add" and products & set(node.input)
        for name in set(node.input) - products
    }
    for tensor in graph.initializer:
        if tensor.name in names and tuple(tensor.dims) == (len(NAMES),):
            bias: onnx.TensorProto = tensor
            return bias
    raise ValueError("the model's head is no matrix and bias on its frames")


if __name__ == "__main__":
    main()
