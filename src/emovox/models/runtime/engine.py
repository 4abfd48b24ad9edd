"""The engine: runs a model under the contract on windows of any lengths."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.metadata import CONTRACT, Metadata, Precision
from emovox.models.readout import EMOTION, Readout
from emovox.models.runtime.readout_function import read_functions
from emovox.models.runtime.session import Device, EngineName, one_line, open_session, read_properties

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Output:
    """What the model gives for one window of T frames; `frame_logits` and `frames` only when asked for.

    Attributes:
        frame_count: T.
        logits: by readout, unless it is pooled, float32 (K,); of a linear one the mean of the frame logits.
        embedding: float32 (D,), the mean of the frames.
        frame_logits: by readout, float32 (T, K): of linear ones, and of those of a window that frames don't tell.
        frames: float32 (T, D).
    """

    frame_count: int
    logits: dict[str, Floats]
    embedding: Floats
    frame_logits: dict[str, Floats] = field(default_factory=dict)
    frames: Floats | None = None


class Engine:
    """A loaded model.

    Attributes:
        path: of the file.
        metadata: what the file says of itself.
        functions: of the readouts that aren't linear, by name: for other stretches of frames than a window; there
            is none for one that frames don't tell.
        precision: of the arithmetic.
        checksum: sha256 of the ONNX file; of weights beside it its metadata has the checksum.
        name: `onnxruntime` or `openvino`.
        device: where it runs, `cpu` or `cuda`.
        batches: whether running windows together pays.
        at_once: how many threads should run windows at the same time.
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
        self.functions = read_functions(path, self.metadata)
        self.precision = precision or self.metadata.precision
        self.checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        self._session = open_session(
            path, precision=self.precision, device=device, engine=engine, threads=threads or usable_cores()
        )
        self.name, self.device = self._session.engine, self._session.device
        self.batches, self.at_once = self._session.batches, self._session.at_once

    def run(self, windows: Sequence[Floats], *, frame_logits: bool = False, frames: bool = False) -> list[Output]:
        """Run windows together; each gets what it would have got alone.

        Args:
            windows: float32 (n,) each, 16 kHz, at least `metadata.minimum_samples` long.
            frame_logits: give what readouts of some of the frames need: each frame's logits, and its embedding
                if a readout isn't linear.
            frames: give each frame's embedding.

        Raises:
            ModelError: the model failed, for example because memory ran out.
        """
        names = ["frame_count", "embedding", *(f"{name}.logits" for name in self._readouts)]
        if frame_logits:
            names += [f"{name}.frame_logits" for name in self._readouts if name not in self.functions]
        if frames or (frame_logits and self.functions):
            names.append("frames")
        if self.batches:
            return self._run(windows, names)
        return [output for window in windows for output in self._run([window], names)]

    def logits(self, readout: Readout, output: Output) -> Floats:
        """The logits of a whole window by one readout of the model, float32 (K,)."""
        if readout.kind == "pooled":
            return np.asarray(self.functions[readout.name](output.embedding[np.newaxis])[0])
        return output.logits[readout.name]

    def _run(self, windows: Sequence[Floats], names: list[str]) -> list[Output]:
        samples = np.array([len(window) for window in windows], dtype=np.int64)
        step = self._session.step
        longest = -(-int(samples.max()) // step) * step
        waveform = np.zeros((len(windows), longest), dtype=np.float32)
        for row, window in zip(waveform, windows, strict=True):
            row[: len(window)] = window
        try:
            file_names = [self._file_name(name) for name in names]
            values = self._session.run(file_names, {"waveform": waveform, "samples": samples})
        except Exception as error:  # the engines' exceptions share no base but this one
            raise ModelError(f"the model {self.metadata.name} failed: {one_line(error)}") from error
        batch = dict(zip(names, values, strict=True))
        outputs = []
        for index, count in enumerate(batch["frame_count"].tolist()):
            outputs.append(
                Output(
                    frame_count=count,
                    logits={
                        name: batch[f"{name}.logits"][index][columns] for name, columns in self._readouts.items()
                    },
                    embedding=batch["embedding"][index],
                    frame_logits={
                        name: batch[f"{name}.frame_logits"][index, :count][:, columns]
                        for name, columns in self._readouts.items()
                        if f"{name}.frame_logits" in batch
                    },
                    frames=batch["frames"][index, :count] if "frames" in batch else None,
                )
            )
        return outputs

    @property
    def _readouts(self) -> dict[str, Any]:
        """The columns in the file of each readout whose logits are taken from there.

        They are all columns, but for a file under contract 1. A pooled readout is computed of the embedding.
        """
        readouts = [readout for readout in self.metadata.readouts if readout.kind != "pooled"]
        if self.metadata.contract == CONTRACT:
            return {readout.name: slice(None) for readout in readouts}
        return {readout.name: [NAMES.index(label) for label in readout.labels] for readout in readouts}

    def _file_name(self, name: str) -> str:
        """What the file calls an output: under contract 1 there were but one readout's logits."""
        return name if self.metadata.contract == CONTRACT else name.removeprefix(f"{EMOTION}.")


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
