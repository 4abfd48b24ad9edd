"""A small ONNX graph builder, which stores weights at a precision."""

from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 20  # the first with Gelu
IR_VERSION = 10  # ONNX Runtime 1.23 reads it
BLOCK = 64  # input columns that share one scale of an int8 weight

Precision = Literal["fp32", "fp16", "int8"]


class Builder:
    """Collects nodes and constants; every method returns the name of its result.

    `precision` says how weights are stored; the runtime widens them once, when it loads the file, and all
    arithmetic is float32. Quantised activations were tried and rejected: see README.md.
    """

    def __init__(self, precision: Precision) -> None:
        self.precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._integers: dict[tuple[int, ...], str] = {}

    def node(self, operator: str, *inputs: str, domain: str = "", name: str | None = None, **options: Any) -> str:
        """Add a node with one output, called `name` if given."""
        return self.nodes(operator, *inputs, outputs=(name or self._fresh(operator),), domain=domain, **options)[0]

    def nodes(
        self, operator: str, *inputs: str, outputs: tuple[str, ...], domain: str = "", **options: Any
    ) -> tuple[str, ...]:
        """Add a node with several outputs."""
        self._nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **options))
        return outputs

    def constant(self, values: NDArray[Any], name: str | None = None) -> str:
        """Store an array as it is, called `name` if given."""
        name = name or self._fresh("constant")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, *values: int) -> str:
        """A one-dimensional int64 constant, stored once."""
        if values not in self._integers:
            self._integers[values] = self.constant(np.array(values, np.int64))
        return self._integers[values]

    def number(self, value: float) -> str:
        """A float32 scalar."""
        return self.constant(np.array(value, np.float32))

    def weight(self, values: NDArray[np.float32]) -> str:
        """Store float32 weights; as float16 unless the precision is fp32 (lossless where they came as float16)."""
        if self.precision == "fp32":
            return self.constant(values)
        return self.node("Cast", self.constant(values.astype(np.float16)), to=TensorProto.FLOAT)

    def linear(self, signal: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """``signal @ weight.T + bias`` for a weight of shape (outputs, inputs)."""
        matrix = self._int8(weight) if self.precision == "int8" else self.weight(weight)
        product = self.node("MatMul", signal, self.node("Transpose", matrix, perm=[1, 0]))
        return self.node("Add", product, self.constant(bias))

    def _int8(self, weight: NDArray[np.float32]) -> str:
        """Store (outputs, inputs) as int8 with a scale for every `BLOCK` inputs of an output."""
        outputs, inputs = weight.shape
        blocks = weight.reshape(outputs, inputs // BLOCK, BLOCK)
        scales = np.abs(blocks).max(-1, keepdims=True) / np.float32(127)
        steps = np.rint(blocks / np.where(scales > 0, scales, 1)).astype(np.int8)
        steps_32 = self.node("Cast", self.constant(steps), to=TensorProto.FLOAT)
        return self.node(
            "Reshape",
            self.node("Mul", steps_32, self.constant(scales)),
            self.integers(outputs, inputs),
        )

    def model(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], properties: dict[str, str]
    ) -> onnx.ModelProto:
        """The finished, checked model."""
        graph = helper.make_graph(self._nodes, "emovox", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="emovox")
        model.ir_version = IR_VERSION
        helper.set_model_props(model, properties)
        onnx.checker.check_model(model)
        return model

    def _fresh(self, stem: str) -> str:
        return f"{stem.lower()}_{len(self._nodes)}_{len(self._constants)}"
