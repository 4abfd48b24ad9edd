"""ONNX Runtime: runs everywhere, and on a GPU if its build supports one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.runtime.session import Device, one_line
from emovox.silence import import_onnxruntime

ort = import_onnxruntime()
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ort.set_default_logger_severity(3)  # its warnings are about its own graph passes; errors come as exceptions


class OnnxRuntimeSession:
    """A model on ONNX Runtime."""

    engine = "onnxruntime"
    at_once = 1
    step = 1

    def __init__(self, path: Path, *, device: str, threads: int) -> None:
        """Load a model file.

        Raises:
            ModelError: ONNX Runtime can't load it.
        """
        self.device = device
        self.batches = device != "cpu"
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Windows differ in length: an arena would keep the largest buffers of every shape it has seen.
        options.enable_cpu_mem_arena = False
        # Blocks of int8 weights are multiplied as such, with activations rounded block by block.
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "4")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=[_PROVIDERS[device]])
        except Exception as error:  # ONNX Runtime's exceptions share no base but this one
            raise ModelError(f"{path}: not a model that ONNX Runtime can load: {one_line(error)}") from error

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """As `Session.run`."""
        values: list[NDArray[Any]] = self._session.run(list(outputs), dict(inputs))
        return values


def choose(device: Device) -> str:
    """The device that is meant, `cpu` or `cuda`.

    Raises:
        ModelError: no such device, or ONNX Runtime's build has none.
    """
    available = ort.get_available_providers()
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in available else "cpu"
    if device not in _PROVIDERS:
        raise ModelError(f"unknown device {device!r}: choose auto, {', '.join(_PROVIDERS)}")
    if _PROVIDERS[device] not in available:
        raise ModelError(f"device {device} is not available: this ONNX Runtime has {', '.join(available)}")
    return device
