"""What this machine's matrix products reach, bare: the ceiling of a model's speed."""

import time
from collections.abc import Callable

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from emovox.silence import import_onnxruntime

_SIZE = 2048
_REPEATS = 5


def matrix_peak(precision: str, threads: int) -> float:
    """The best of five square products of 2048: 10^9 multiplications and additions a second."""
    product = {"fp32": _fp32, "bf16": _bf16, "int8": _int8}[precision](threads)
    product()
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return 2 * _SIZE**3 / best / 1e9


def _fp32(_: int) -> Callable[[], object]:
    matrix = np.ones((_SIZE, _SIZE), np.float32)
    return lambda: matrix @ matrix


def _bf16(threads: int) -> Callable[[], object]:
    import torch  # noqa: PLC0415  NumPy has no bfloat16

    torch.set_num_threads(threads)
    matrix = torch.ones(_SIZE, _SIZE, dtype=torch.bfloat16)
    return lambda: matrix @ matrix


def _int8(threads: int) -> Callable[[], object]:
    """Unsigned by signed, as the CPUs' instructions want it."""
    weight = numpy_helper.from_array(np.ones((_SIZE, _SIZE), np.int8), "weight")
    shape = [_SIZE, _SIZE]
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["value", "weight"], ["product"])],
        "peak",
        [helper.make_tensor_value_info("value", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("product", TensorProto.INT32, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {"value": np.ones(shape, np.uint8)}
    return lambda: session.run(None, feeds)
