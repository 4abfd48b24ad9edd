"""Speech: where in a recording somebody speaks, found by Silero's voice activity detection.

`silero_vad.onnx` is the 16 kHz sequence model of silero-vad 6.2.3 (MIT, LICENSE.silero), which gives a probability
for every 32 ms and takes many at once; `training/voice_activity.py` has arranged it so that it costs half, to the
same bit. The rules that make spans of these are Silero's too, with longer pauses: a breath should not cut a
sentence in two.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.silence import import_onnxruntime

CHUNK = 512  # samples for which the network gives one probability
_CONTEXT = 64  # samples before them that it sees too
_TOGETHER = 512  # chunks in one call
_STATE = (1, 1, 128)

SPEECH = 0.5  # a chunk with at least this probability begins a span
PAUSE = 0.35  # one below this may end it
SHORTEST = SAMPLE_RATE // 4  # of a span, samples; less is a click or a cough
LEAST_PAUSE = 3 * SAMPLE_RATE // 10  # samples; less doesn't separate two spans
LONGEST = (
    17 * SAMPLE_RATE
)  # of a span, so that it fits a window; one without pauses is cut where speech is least probable
MARGIN = SAMPLE_RATE // 20  # added at either end of a span, for soft beginnings and endings


@dataclass(frozen=True)
class Span:
    """A stretch of speech: samples from `start` to before `end`."""

    start: int
    end: int

    @property
    def seconds(self) -> tuple[float, float]:
        """Start and end in seconds."""
        return self.start / SAMPLE_RATE, self.end / SAMPLE_RATE


class VoiceActivity:
    """Probabilities of speech in a stream, the same however it is cut into blocks."""

    def __init__(self) -> None:
        self._session = _session()
        self._hidden = np.zeros(_STATE, np.float32)
        self._cell = np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.empty(0, np.float32)

    def push(self, block: Waveform) -> NDArray[np.float32]:
        """Take float32 samples (n,) at 16 kHz; returns the probability of each complete chunk, (k,)."""
        samples = np.concatenate([self._rest, np.clip(block, -1, 1)])
        whole = len(samples) // CHUNK * CHUNK
        self._rest = samples[whole:]
        probabilities = [
            self._run(samples[first : min(first + _TOGETHER * CHUNK, whole)])
            for first in range(0, whole, _TOGETHER * CHUNK)
        ]
        return np.concatenate(probabilities) if probabilities else np.empty(0, np.float32)

    def finish(self) -> NDArray[np.float32]:
        """The probability of what is left of a chunk, (0,) or (1,)."""
        missing = -len(self._rest) % CHUNK
        return self.push(np.zeros(missing, np.float32))

    def _run(self, samples: Waveform) -> NDArray[np.float32]:
        chunks = samples.reshape(-1, CHUNK)
        before = np.concatenate([self._context[np.newaxis], chunks[:-1, -_CONTEXT:]])
        self._context = chunks[-1, -_CONTEXT:]
        probabilities: NDArray[np.float32]
        probabilities, self._hidden, self._cell = self._session.run(
            ["speech_probs", "hn", "cn"],
            {"input": np.concatenate([before, chunks], axis=1), "h": self._hidden, "c": self._cell},
        )
        return probabilities.reshape(-1)


class SpeechFinder:
    """Finds the spans of speech in a stream.

    Attributes:
        spans: those found so far; none of them changes any more.
        known: the sample before which every span is in `spans`.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.known = 0
        self._activity = VoiceActivity()
        self._samples = 0
        self._place = 0  # where the next chunk begins
        self._start: int | None = None
        self._quiet: int | None = None  # where the pause began that may end the span
        self._probabilities: list[float] = []  # of the open span's chunks

    def push(self, block: Waveform) -> NDArray[np.float32]:
        """Take the next samples, float32 (n,) at 16 kHz; returns what `VoiceActivity.push` does."""
        self._samples += len(block)
        probabilities = self._activity.push(block)
        for probability in probabilities.tolist():
            self._take(probability)
        return probabilities

    def finish(self) -> None:
        """End the stream, and with it an open span."""
        for probability in self._activity.finish().tolist():
            self._take(probability)
        if self._start is not None:
            self._close(min(self._quiet or self._samples, self._samples))
        self.known = self._samples

    def _take(self, probability: float) -> None:
        position, self._place = self._place, self._place + CHUNK
        if self._start is None:
            if probability >= SPEECH:
                self._start, self._quiet, self._probabilities = position, None, []
            else:
                self.known = max(self.known, self._place - MARGIN)
                return
        self._probabilities.append(probability)
        if probability >= SPEECH:
            self._quiet = None
        elif probability < PAUSE and self._quiet is None:
            self._quiet = position
        if self._quiet is not None and self._place - self._quiet >= LEAST_PAUSE:
            self._close(self._quiet)
            self.known = max(self.known, self._place - MARGIN)
        elif self._place - self._start >= LONGEST:
            self._cut()

    def _close(self, end: int) -> None:
        """End the open span at a pause, or drop it if it is too short to be speech."""
        start, self._start = self._start, None
        if start is None or end - start < SHORTEST:
            return
        previous = self.spans[-1].end if self.spans else 0
        self.spans.append(Span(max(start - MARGIN, previous), min(end + MARGIN, self._samples)))

    def _cut(self) -> None:
        """End the open span at the least probable chunk of its second half; the next one begins there."""
        start = self._start or 0
        half = len(self._probabilities) // 2
        least = half + int(np.argmin(self._probabilities[half:]))
        end = start + least * CHUNK
        previous = self.spans[-1].end if self.spans else 0
        self.spans.append(Span(max(start - MARGIN, previous), end))
        self._start, self._probabilities = end, self._probabilities[least:]
        self.known = end
        if self._quiet is not None and self._quiet < end:
            self._quiet = end


@lru_cache(maxsize=1)
def _session() -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # too small for more threads
    # The next level computes convolutions in another order, which rounds otherwise, and isn't faster here.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    weights = (files("emovox.audio") / "silero_vad.onnx").read_bytes()
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
