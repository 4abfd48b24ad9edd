"""Pooling: from a recording's windows to one verdict, and one for each segment."""

import numpy as np
from numpy.typing import NDArray

from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Floats, Output


class Pool:
    """A mean over frames: of logits, and of embeddings if there are any.

    A window counts by its length, so the pooled logits are the mean of the frame logits of all windows.

    Attributes:
        frame_count: frames so far.
    """

    def __init__(self) -> None:
        self.frame_count = 0
        self._logits: NDArray[np.float64] | float = 0.0
        self._embedding: NDArray[np.float64] | float = 0.0

    def add(self, output: Output) -> None:
        """Add a whole window."""
        self.frame_count += output.frame_count
        self._logits = self._logits + output.logits.astype(np.float64) * output.frame_count
        self._embedding = self._embedding + output.embedding.astype(np.float64) * output.frame_count

    def add_frames(self, output: Output, chosen: slice | NDArray[np.bool_]) -> None:
        """Add some frames of a window that has its frame logits, and its frames if embeddings are needed."""
        assert output.frame_logits is not None  # noqa: S101  requested for pooling by frame
        logits = output.frame_logits[chosen]
        self.frame_count += len(logits)
        self._logits = self._logits + logits.sum(axis=0, dtype=np.float64)
        if output.frames is not None:
            self._embedding = self._embedding + output.frames[chosen].sum(axis=0, dtype=np.float64)

    def join(self, other: "Pool") -> None:
        """Add everything in another pool."""
        self.frame_count += other.frame_count
        self._logits = self._logits + other._logits
        self._embedding = self._embedding + other._embedding

    @property
    def logits(self) -> NDArray[np.float64]:
        """(9,), the mean."""
        return np.asarray(self._logits / self.frame_count)

    @property
    def embedding(self) -> Floats:
        """float32 (D,), the mean."""
        return np.asarray(self._embedding / self.frame_count, dtype=np.float32)


class Segments:
    """A pool for each span of speech, filled as windows come in order.

    A frame belongs to the span that its centre lies in.
    """

    def __init__(self, spans: list[Span], metadata: Metadata) -> None:
        """Begin.

        Args:
            spans: of speech, in order; it may grow, as long as it covers a window by the time it is added.
            metadata: of the model, for the times of its frames.
        """
        self._spans, self._metadata = spans, metadata
        self._pools: list[Pool] = []
        self._first = 0  # the first span that may still get frames

    def add(self, output: Output, start: int) -> NDArray[np.bool_]:
        """Add the window that begins at sample `start`; returns which of its frames are speech, (T,)."""
        hop, count = self._metadata.hop, output.frame_count
        first = start // hop
        speech = np.zeros(count, np.bool_)
        for index in range(self._first, len(self._spans)):
            low, high = (
                self._frame(sample) - first for sample in (self._spans[index].start, self._spans[index].end)
            )
            if low >= count:
                break
            if len(self._pools) <= index:
                self._pools.append(Pool())
            chosen = slice(max(low, 0), max(min(high, count), 0))
            speech[chosen] = True
            self._pools[index].add_frames(output, chosen)
            if high <= count:
                self._first = index + 1
        return speech

    def pools(self) -> list[tuple[Span, Pool]]:
        """Each span with its pool, without those that have no frame."""
        return [(span, pool) for span, pool in zip(self._spans, self._pools, strict=False) if pool.frame_count]

    def _frame(self, sample: int) -> int:
        """The first frame whose centre is at or after a sample."""
        offset = sample - round(self._metadata.first_centre * SAMPLE_RATE)
        return max(0, -(-offset // self._metadata.hop))
