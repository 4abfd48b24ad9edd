"""Progress: how far the recognition of one recording has come."""

import threading
import time
from dataclasses import dataclass, field

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import EmovoxError

DECODING = 0.2  # the share of decoding in the progress


class StoppedError(EmovoxError):
    """This recognition is no longer needed."""


@dataclass(eq=False)
class JobProgress:
    """How far one recognition has come, and whether it is still needed."""

    size: int = 0
    """Bytes of the upload."""
    duration: float | None = None
    """Seconds of sound, once decoded."""
    inferred: float = 0.0
    """Seconds of sound that the model has had."""
    share: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds of each finished step: decoded, waited (for a model), heard (inference), stored."""
    stopped: threading.Event = field(default_factory=threading.Event)
    _since: float = field(default_factory=time.monotonic)

    def done(self, step: str) -> None:
        """Note that a step ends now, unless it has already, and how long it took."""
        if step not in self.timings:
            now = time.monotonic()
            self.timings[step], self._since = round(now - self._since, 4), now

    def decoding(self, seconds: float) -> None:
        """Note how much sound has been decoded so far."""
        self.share = DECODING * (1 - 1 / (1 + seconds / 60))

    def decoded(self, seconds: float) -> None:
        """Note that decoding is done, and how long the recording is."""
        self.duration = seconds
        self.done("decoded")

    def take(self, block: Waveform) -> None:
        """Count a block that the model gets; a sink for recognitions.

        Raises:
            StoppedError: the recognition is no longer needed.
        """
        if self.stopped.is_set():
            raise StoppedError("stopped")
        self.done("waited")
        self.inferred += len(block) / SAMPLE_RATE
        self.share = DECODING + (1 - DECODING) * min(
            1.0, self.inferred / max(1 / SAMPLE_RATE, self.duration or 0.0)
        )
