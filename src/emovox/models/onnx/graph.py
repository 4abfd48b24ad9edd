"""An ONNX graph under construction, whose weights go straight to a file beside it.

One protobuf message holds 2 GB at most and is read whole into memory; ONNX's external data has no such limit and
is mapped from the disk. `onnx.helper` is enough for that: the graph is a list of nodes in the order of their
computation.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from emovox.models.metadata import Precision

# Opset 20 has Gelu, 21 (IR 10) weights quantised in blocks.
OPSET = 21
_IR_VERSION = 10
INT8_BLOCK = 256
"""Inputs of a matrix that share a scale; both engines multiply such blocks as int8, rounding activations alike."""
# Weights start on a page, so that they can be mapped each alone.
_PAGE = 4096
_SMALL = 1024
# As the end of a slice: all that follows.
END = int(np.iinfo(np.int64).max)


class Graph:
    """Nodes in the order of their computation, constants, and weights on disk.

    Values are known by their names, as in ONNX; each method returns the name of what it adds.
    """

    def __init__(self, data: BinaryIO, location: str, precision: Precision = "fp32") -> None:
        """Start an empty graph.

        Args:
            data: where the weights' bytes go.
            location: name of that file, as seen from the model's file.
            precision: `fp32`, `fp16`, or `int8` for the matrices whose inputs divide into blocks.
        """
        self._precision = precision
        self._data = data
        self._location = location
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._scope: list[str] = []

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put ``name`` before the names of what is added within."""
        self._scope.append(name)
        yield
        self._scope.pop()

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output."""
        name = "/".join([*self._scope, f"{operator}_{len(self._nodes)}"])
        node = helper.make_node(operator, inputs, [output or name], name=name, **attributes)
        self._nodes.append(node)
        return output or name

    def makes(self, value: str) -> bool:
        """Whether a node gives ``value``."""
        return any(value in node.output for node in self._nodes)

    def split(self, value: str, sizes: Sequence[int], *, axis: int) -> list[str]:
        """Cut ``value`` into pieces of ``sizes`` along ``axis``."""
        name = "/".join([*self._scope, f"Split_{len(self._nodes)}"])
        outputs = [f"{name}/{index}" for index in range(len(sizes))]
        self._nodes.append(
            helper.make_node("Split", [value, self.integers(*sizes)], outputs, name=name, axis=axis)
        )
        return outputs

    def weight(self, name: str, values: npt.NDArray[np.float32 | np.float16 | np.int8]) -> str:
        """Add a weight; any but the smallest is written to the data file at once."""
        if values.nbytes < _SMALL:
            self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
            return name
        self._data.write(bytes(-self._data.tell() % _PAGE))
        offset = self._data.tell()
        self._data.write(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data)
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        tensor = TensorProto(name=name, data_type=kind, dims=values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self._location), ("offset", offset), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        self._initializers.append(tensor)
        return name

    def product(self, value: str, name: str, matrix: npt.NDArray[np.float32]) -> str:
        """Multiply the last axis by a weight (inputs, outputs).

        In int8 a weight is round(w / s), with s = max |w| / 127 of each block of `INT8_BLOCK` inputs of an output.
        In fp16 both factors are rounded to it; what comes before and after stays float32, so nothing overflows
        that a product doesn't.
        """
        if self._precision == "fp16":
            halved = self.weight(name, matrix.astype(np.float16))
            narrow = self.add("MatMul", self.add("Cast", value, to=TensorProto.FLOAT16), halved)
            return self.add("Cast", narrow, to=TensorProto.FLOAT)
        if self._precision != "int8" or matrix.shape[0] % INT8_BLOCK:
            return self.add("MatMul", value, self.weight(name, matrix))
        blocks = matrix.reshape(-1, INT8_BLOCK, matrix.shape[1])
        scales = np.maximum(np.abs(blocks).max(axis=1) / np.float32(127), np.finfo(np.float32).tiny)
        rounded = np.rint(blocks / scales[:, None]).astype(np.int8).reshape(matrix.shape)
        widened = self.add(
            "DequantizeLinear",
            self.weight(name, rounded),
            self.weight(f"{name}.scale", scales),
            axis=0,
            block_size=INT8_BLOCK,
        )
        return self.add("MatMul", value, widened)

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Add a small constant, or find the same one added before."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = f"constant_{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """Add a constant vector of 64-bit integers, as shapes and axes are."""
        return self.constant(values, np.int64)

    def number(self, value: float) -> str:
        """Add a constant float32 scalar."""
        return self.constant(value, np.float32)

    def slice(self, value: str, start: int | str, end: int | str, *, axis: int) -> str:
        """Take ``value[start:end]`` along ``axis``; a bound is a number or the name of one in a vector."""
        if (start, end) == (0, END):
            return value
        bounds = [bound if isinstance(bound, str) else self.integers(bound) for bound in (start, end)]
        return self.add("Slice", value, *bounds, self.integers(axis))

    def size(self, value: str, axis: int) -> str:
        """Return the length of ``value`` along ``axis``, a vector of one."""
        return self.add("Shape", value, start=axis, end=axis + 1)

    def count(self, length: str) -> str:
        """Return 0, 1, 2 … below ``length``, a vector of one."""
        stop = self.add("Squeeze", length)
        return self.add("Range", self.constant(0, np.int64), stop, self.constant(1, np.int64))

    def linear(self, value: str, name: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]) -> str:
        """Multiply the last axis by ``weight``, shape (outputs, inputs) as in torch, and add ``bias``.

        The matrix is stored the other way round, (inputs, outputs).
        """
        product = self.product(value, f"{name}.weight", weight.T)
        return self.add("Add", product, self.weight(f"{name}.bias", bias))

    def finish(
        self,
        *,
        inputs: Sequence[tuple[str, int, Sequence[str | int]]],
        outputs: Sequence[tuple[str, int, Sequence[str | int]]],
        properties: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Return the whole model; inputs and outputs are (name, ONNX element type, shape)."""
        graph = helper.make_graph(
            self._nodes,
            "emovox",
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="emovox",
        )
        helper.set_model_props(model, dict(properties))
        return model
