"""OpenVINO: the faster engine on a CPU, an extra."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import ModelError
from emovox.models.metadata import Precision
from emovox.models.onnx.graph import INT8_BLOCK
from emovox.models.pages import drop_pages
from emovox.models.runtime.session import one_line
from emovox.models.runtime.together import AT_ONCE, ROWS, Together
from emovox.silence import import_openvino

ov = import_openvino()
_SHORT = 5 * SAMPLE_RATE


def has_bf16() -> bool:
    """Whether this CPU has bfloat16 arithmetic."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def bf16_pays(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether bfloat16 is faster than float32 on this CPU.

    An Intel one that has it without AMX took 1.6 times as long for large encoders, and 1.3 for Whisper's in
    int8, of which bfloat16 was the rest; an AMD EPYC 9004 took half as long. Where the system doesn't tell which
    it is, OpenVINO's word holds.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return has_bf16() and not ("GenuineIntel" in text and "amx_bf16" not in text)


class OpenVinoSession:
    """A model on OpenVINO, on the CPU."""

    engine = "openvino"
    device = "cpu"
    batches = False
    # OpenVINO keeps kernels for every length that it has seen, 2 MB each for the bundled model: many lengths would
    # take gigabytes.
    step = SAMPLE_RATE // 4

    def __init__(self, path: Path, *, precision: Precision, threads: int) -> None:
        """Load a model file.

        Raises:
            ModelError: OpenVINO can't load it, or the CPU has no bfloat16.
        """
        if precision == "bf16" and not has_bf16():
            raise ModelError("this CPU has no bfloat16 arithmetic: choose fp32 or int8")
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Otherwise each process pins its first thread to the first core, and several share that one.
            "ENABLE_CPU_PINNING": False,
            "PERFORMANCE_HINT": "LATENCY",
            # What int8 leaves can be bf16, which rounds less than int8.
            "INFERENCE_PRECISION_HINT": "bf16"
            if precision == "bf16" or (precision == "int8" and bf16_pays())
            else "f32",
            # Activations are rounded to int8 row by row in blocks, where the weights come in blocks of int8.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(INT8_BLOCK if precision == "int8" else 0),
        }
        try:
            self._request = ov.Core().compile_model(str(path), "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"{path}: not a model that OpenVINO can load: {one_line(error)}") from error
        weights = path.with_name(f"{path.name}.data").resolve()
        self._weights = weights if weights.is_file() else None
        self._drop_weights()
        self._has_run = False
        # A request serves one call, and one call keeps every core busy.
        rows = ROWS if precision == "fp32" else (1,)
        self._together = Together(self._infer, rows=rows)
        self.at_once = 1 if rows == (1,) else AT_ONCE

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """As `Session.run`."""
        return self._together.run(outputs, inputs)

    def _infer(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        if not self._has_run:
            if self._weights is not None and inputs["waveform"].size > _SHORT:
                self._run_a_second()
            self._request.infer(dict(inputs))
            self._drop_weights()
            self._has_run = True
        else:
            self._request.infer(dict(inputs))
        # The request's own memory is overwritten by the next call.
        return [np.array(self._request.get_tensor(name).data) for name in outputs]

    def _run_a_second(self) -> None:
        """Let all weights be packed, half of which waits for the first run, and keep no second copy of them.

        Else a long first window would come on top of both. A short one may as well do it itself: a model that
        pads each window, as Whisper's do, takes as long for a second.
        """
        samples = np.array([SAMPLE_RATE], np.int64)
        with suppress(RuntimeError):  # the first run will say it
            self._request.infer({"waveform": np.zeros((1, SAMPLE_RATE), np.float32), "samples": samples})
        self._drop_weights()

    def _drop_weights(self) -> None:
        """OpenVINO repacks most weights, but keeps the mapping of their file."""
        if self._weights is not None:
            drop_pages(self._weights)
