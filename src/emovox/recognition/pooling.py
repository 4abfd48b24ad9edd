"""From the windows of a recording to one verdict."""

import numpy as np
from numpy.typing import NDArray

from emovox.models.engine import Floats, Output


class Pool:
    """The outputs of a recording's windows, gathered in order.

    Every mean is over frames: a window counts as much as it is long, so the pooled logits are the mean of the
    frame logits of the whole recording.
    """

    def __init__(self) -> None:
        self.frame_count = 0
        self._logits: NDArray[np.float64] | float = 0.0
        self._embedding: NDArray[np.float64] | float = 0.0
        self._frame_logits: list[Floats] = []
        self._frames: list[Floats] = []

    def add(self, output: Output) -> None:
        """Take the output of the next window."""
        self.frame_count += output.frame_count
        self._logits = self._logits + output.logits.astype(np.float64) * output.frame_count
        self._embedding = self._embedding + output.embedding.astype(np.float64) * output.frame_count
        if output.frame_logits is not None:
            self._frame_logits.append(output.frame_logits)
        if output.frames is not None:
            self._frames.append(output.frames)

    @property
    def logits(self) -> NDArray[np.float64]:
        """(9,), over the recording."""
        return np.asarray(self._logits / self.frame_count)

    @property
    def embedding(self) -> Floats:
        """float32 (1, D), over the recording."""
        return np.asarray(self._embedding / self.frame_count, dtype=np.float32)[np.newaxis]

    @property
    def frame_logits(self) -> Floats:
        """float32 (T, 9)."""
        return np.concatenate(self._frame_logits)

    @property
    def frames(self) -> Floats:
        """float32 (T, D)."""
        return np.concatenate(self._frames)
