"""The engine: runs a model under the contract on windows of any lengths."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.metadata import Metadata, Precision
from emovox.models.runtime.session import Device, EngineName, one_line, open_session, read_properties

Floats = NDArray[np.float32]


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
        path: of the file.
        metadata: what the file says of itself.
        precision: of the arithmetic.
        checksum: sha256 of the ONNX file; of weights beside it its metadata has the checksum.
        name: `onnxruntime` or `openvino`.
        device: where it runs, `cpu` or `cuda`.
        batches: whether running windows together pays.
    """

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision | None = None,
        device: Device = "auto",
        engine: EngineName = "auto",
        threads: int = 0,
    ) -> None:
        """Load a model file.

        Args:
            path: an ONNX file under the contract.
            precision: of the arithmetic; by default the file's own.
            device: `auto` takes a GPU if ONNX Runtime supports one.
            engine: `onnxruntime`, `openvino` or `auto`.
            threads: threads on the CPU; 0: one per core that this process may use.

        Raises:
            ModelError: unreadable, not a model under the contract, or no such device or engine here.
        """
        self.path = path
        self.metadata = read_metadata(path)
        self.precision = precision or self.metadata.precision
        self.checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        self._session = open_session(
            path, precision=self.precision, device=device, engine=engine, threads=threads or usable_cores()
        )
        self.name, self.device = self._session.engine, self._session.device
        self.batches = self._session.batches

    def run(self, windows: Sequence[Floats], *, frame_logits: bool = False, frames: bool = False) -> list[Output]:
        """Run windows together; each gets what it would have got alone.

        Args:
            windows: float32 (n,) each, 16 kHz, at least `metadata.minimum_samples` long.
            frame_logits: give each frame's logits too.
            frames: give each frame's embedding too.

        Raises:
            ModelError: the model failed, for example because memory ran out.
        """
        names = ["frame_count", "logits", "embedding"]
        names += ["frame_logits"] * frame_logits + ["frames"] * frames
        if self.batches:
            return self._run(windows, names)
        return [output for window in windows for output in self._run([window], names)]

    def _run(self, windows: Sequence[Floats], names: list[str]) -> list[Output]:
        samples = np.array([len(window) for window in windows], dtype=np.int64)
        step = self._session.step
        longest = -(-int(samples.max()) // step) * step
        waveform = np.zeros((len(windows), longest), dtype=np.float32)
        for row, window in zip(waveform, windows, strict=True):
            row[: len(window)] = window
        try:
            values = self._session.run(names, {"waveform": waveform, "samples": samples})
        except Exception as error:  # the engines' exceptions share no base but this one
            raise ModelError(f"the model {self.metadata.name} failed: {one_line(error)}") from error
        batch = dict(zip(names, values, strict=True))
        outputs = []
        for index, count in enumerate(batch["frame_count"].tolist()):
            outputs.append(
                Output(
                    frame_count=count,
                    logits=batch["logits"][index],
                    embedding=batch["embedding"][index],
                    frame_logits=batch["frame_logits"][index, :count] if "frame_logits" in batch else None,
                    frames=batch["frames"][index, :count] if "frames" in batch else None,
                )
            )
        return outputs


def read_metadata(path: Path) -> Metadata:
    """What a model file says of itself.

    Raises:
        ModelError: unreadable, or not a model under the contract.
    """
    try:
        return Metadata.from_properties(read_properties(path))
    except ModelError as error:
        raise ModelError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # a container or taskset may grant fewer than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
