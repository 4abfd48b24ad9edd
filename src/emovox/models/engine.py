"""The engine: runs a model file under the contract, on ONNX Runtime."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.metadata import Metadata

Device = Literal["auto", "cpu", "cuda"]
Floats = NDArray[np.float32]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ort.set_default_logger_severity(3)  # its warnings are about its own graph passes; errors come as exceptions


@dataclass(frozen=True)
class Output:
    """What the model gives for one window of T frames; `frame_logits` and `frames` only when asked for.

    Attributes:
        frame_count: T.
        logits: float32 (9,), the mean of the frame logits.
        embedding: float32 (D,), the mean of the frames.
        frame_logits: float32 (T, 9).
        frames: float32 (T, D).
    """

    frame_count: int
    logits: Floats
    embedding: Floats
    frame_logits: Floats | None = None
    frames: Floats | None = None


class Engine:
    """A loaded model.

    Attributes:
        metadata: what the file says of itself.
        checksum: sha256 of the file.
        device: where it runs, `cpu` or `cuda`.
    """

    def __init__(self, path: Path, *, device: Device = "auto", threads: int = 0) -> None:
        """Load a model file.

        Args:
            path: an ONNX file under the contract.
            device: `auto` takes a GPU where ONNX Runtime has one.
            threads: threads on the CPU; 0: one per core this process may use.

        Raises:
            ModelError: unreadable, not a model under the contract, or no such device here.
        """
        self.device = _choose(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or _usable_cores()
        # Windows differ in length: an arena would keep the largest buffers of every shape it has seen.
        options.enable_cpu_mem_arena = False
        try:
            with path.open("rb") as file:
                self.checksum = hashlib.sha256(file.read()).hexdigest()
            self._session = ort.InferenceSession(str(path), options, providers=[_PROVIDERS[self.device]])
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}") from error
        except Exception as error:  # ONNX Runtime's exceptions share no base but this one
            raise ModelError(f"{path}: not a model that ONNX Runtime can load: {_one_line(error)}") from error
        self.metadata = Metadata.from_properties(self._session.get_modelmeta().custom_metadata_map)

    def run(self, windows: Sequence[Floats], *, frame_logits: bool = False, frames: bool = False) -> list[Output]:
        """Run windows together; each gets what it would have got alone.

        Args:
            windows: float32 (n,) each, 16 kHz, at least `metadata.minimum_samples` long.
            frame_logits: give each frame's logits too.
            frames: give each frame's embedding too.

        Raises:
            ModelError: the model failed, for want of memory for example.
        """
        samples = np.array([len(window) for window in windows], dtype=np.int64)
        waveform = np.zeros((len(windows), samples.max()), dtype=np.float32)
        for row, window in zip(waveform, windows, strict=True):
            row[: len(window)] = window
        wanted = ["frame_count", "logits", "embedding"]
        wanted += ["frame_logits"] * frame_logits + ["frames"] * frames
        try:
            values = self._session.run(wanted, {"waveform": waveform, "samples": samples})
        except Exception as error:
            raise ModelError(f"the model {self.metadata.name} failed: {_one_line(error)}") from error
        batch = dict(zip(wanted, values, strict=True))
        outputs = []
        for row, count in enumerate(batch["frame_count"].tolist()):
            outputs.append(
                Output(
                    frame_count=count,
                    logits=batch["logits"][row],
                    embedding=batch["embedding"][row],
                    frame_logits=batch["frame_logits"][row, :count] if frame_logits else None,
                    frames=batch["frames"][row, :count] if frames else None,
                )
            )
        return outputs


def _choose(device: Device) -> str:
    available = ort.get_available_providers()
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in available else "cpu"
    if device not in _PROVIDERS:
        raise ModelError(f"unknown device {device!r}; there are auto, {', '.join(_PROVIDERS)}")
    if _PROVIDERS[device] not in available:
        raise ModelError(f"device {device} is not available: this ONNX Runtime has {', '.join(available)}")
    return device


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a container or taskset may grant fewer than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
