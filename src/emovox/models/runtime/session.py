"""The session: a model file that is ready to run, on one engine or the other."""

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import onnx
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.metadata import Precision
from emovox.packages import install

Device = Literal["auto", "cpu", "cuda"]
EngineName = Literal["auto", "onnxruntime", "openvino"]


class Session(Protocol):
    """A model ready to run.

    Attributes:
        engine: `onnxruntime` or `openvino`.
        device: `cpu` or `cuda`.
        batches: whether running rows together pays. On a CPU it only adds padding; and if activations are rounded,
            a difference in the seventh digit, such as padding makes, may flip a rounding.
        at_once: how many threads should want it at the same time, so that what they want runs together; 1: it
            doesn't, or batches do better.
        step: windows are padded to a multiple of this many samples.
    """

    engine: str
    device: str
    batches: bool
    at_once: int
    step: int

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the model and return the named outputs. Safe to call from several threads."""


def choose_engine(*, device: Device = "auto", engine: EngineName = "auto") -> tuple[str, str]:
    """The engine and device to use: OpenVINO on a CPU if it is installed, otherwise ONNX Runtime.

    Returns:
        `onnxruntime` or `openvino`, and `cpu` or `cuda`.

    Raises:
        ModelError: the device or the engine isn't available.
    """
    from emovox.models.runtime import onnxruntime_session  # noqa: PLC0415  engines are loaded when they are needed

    chosen = onnxruntime_session.choose(device)
    has_openvino = importlib.util.find_spec("openvino") is not None
    if engine == "openvino" and not has_openvino:
        raise ModelError(f"OpenVINO is not installed: {install('openvino')}")
    return "openvino" if engine != "onnxruntime" and chosen == "cpu" and has_openvino else "onnxruntime", chosen


def engine_version(*, device: Device = "auto", engine: EngineName = "auto") -> str:
    """The engine that would run, with its version."""
    name, _ = choose_engine(device=device, engine=engine)
    return f"{name} {importlib.metadata.version(name)}"


def precisions(*, device: Device = "auto", engine: EngineName = "auto") -> list[Precision]:
    """The precisions of this machine, fp32 first: int8 on a CPU, bf16 if OpenVINO finds it, fp16 on a GPU."""
    name, chosen = choose_engine(device=device, engine=engine)
    if chosen != "cpu":
        return ["fp32", "fp16"]
    if name == "openvino":
        from emovox.models.runtime import openvino_session  # noqa: PLC0415

        return ["fp32", "bf16", "int8"] if openvino_session.has_bf16() else ["fp32", "int8"]
    return ["fp32", "int8"]


def open_session(
    path: Path, *, precision: Precision, device: Device = "auto", engine: EngineName = "auto", threads: int
) -> Session:
    """Load a model file with the engine that `choose_engine` names.

    Args:
        path: an ONNX file.
        precision: of the arithmetic; the file's own, or `bf16` for an fp32 file.
        device: `auto` takes a GPU if ONNX Runtime supports one.
        engine: `onnxruntime`, `openvino` or `auto`.
        threads: on the CPU.

    Raises:
        ModelError: unreadable, or the device, engine or arithmetic isn't available.
    """
    name, chosen = choose_engine(device=device, engine=engine)
    if name == "openvino":
        from emovox.models.runtime import openvino_session  # noqa: PLC0415

        return openvino_session.OpenVinoSession(path, precision=precision, threads=threads)
    if precision == "bf16":
        raise ModelError(f"bf16 needs OpenVINO on a CPU: {install('openvino')}, or choose fp32")
    from emovox.models.runtime import onnxruntime_session  # noqa: PLC0415

    return onnxruntime_session.OnnxRuntimeSession(path, device=chosen, threads=threads)


def read_properties(path: Path) -> dict[str, str]:
    """The text properties of an ONNX file, without its external weights.

    Raises:
        ModelError: unreadable, or not an ONNX file.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # protobuf's DecodeError, which has moved between its versions
        raise ModelError(f"{path}: not an ONNX file: {one_line(error)}") from error
    return {item.key: item.value for item in model.metadata_props}


def one_line(error: Exception) -> str:
    """An exception's text without line breaks, at most 300 characters."""
    return " ".join(str(error).split())[:300]
