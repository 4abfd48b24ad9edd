"""Pooling: from a recording's windows to one verdict, and one for each segment."""

import numpy as np
from numpy.typing import NDArray

from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Floats, Output
from emovox.models.runtime.readout_function import Functions


class Pool:
    """A mean over frames: of logits, and of embeddings if there are any.

    A window counts by its length, so the pooled logits of a linear readout are the mean of the frame logits of all
    windows. Those of a window's readout are the mean of its logits of each window's frames that belong here,
    weighted by their number. A pooled readout's follow from the pooled embedding.

    Attributes:
        frame_count: frames so far.
    """

    def __init__(self, functions: Functions) -> None:
        """Begin.

        Args:
            functions: of the model's readouts of a window.
        """
        self.frame_count = 0
        self._functions = functions
        self._logits: dict[str, NDArray[np.float64]] = {}
        self._embedding: NDArray[np.float64] | float = 0.0

    @classmethod
    def of(
        cls,
        functions: Functions,
        frame_count: int,
        logits: dict[str, NDArray[np.float64]],
        embedding: NDArray[np.float64],
    ) -> "Pool":
        """A pool with `sums`."""
        pool = cls(functions)
        pool.frame_count, pool._logits, pool._embedding = frame_count, logits, embedding
        return pool

    @property
    def sums(self) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64] | float]:
        """Over its frames: logits (K,) by readout, and embeddings (D,), or 0 if there are none."""
        return self._logits, self._embedding

    def add(self, output: Output) -> None:
        """Add a whole window."""
        self.frame_count += output.frame_count
        for name, logits in output.logits.items():
            self._count(name, logits.astype(np.float64) * output.frame_count)
        self._embedding = self._embedding + output.embedding.astype(np.float64) * output.frame_count

    def add_frames(self, output: Output, chosen: slice | NDArray[np.bool_]) -> None:
        """Add some frames of a window that has its frame logits, and its frames if embeddings are needed."""
        count = int(np.count_nonzero(np.arange(output.frame_count)[chosen] >= 0))
        self.frame_count += count
        for name, logits in output.frame_logits.items():
            self._count(name, logits[chosen].sum(axis=0, dtype=np.float64))
        if output.frames is None or not count:
            return
        frames = output.frames[chosen]
        self._embedding = self._embedding + frames.sum(axis=0, dtype=np.float64)
        for name, function in self._functions.items():
            [logits] = function(frames[np.newaxis], np.array([count]))
            self._count(name, logits.astype(np.float64) * count)

    def join(self, other: "Pool") -> None:
        """Add everything in another pool."""
        self.frame_count += other.frame_count
        for name, logits in other._logits.items():
            self._count(name, logits)
        self._embedding = self._embedding + other._embedding

    def _count(self, name: str, logits: NDArray[np.float64]) -> None:
        self._logits[name] = self._logits.get(name, np.float64(0)) + logits

    def logits(self, readout: str) -> NDArray[np.float64]:
        """Those of a readout that is linear or a window's, (K,)."""
        return self._logits[readout] / self.frame_count

    @property
    def embedding(self) -> Floats:
        """float32 (D,), the mean."""
        return np.asarray(self._embedding / self.frame_count, dtype=np.float32)


class Segments:
    """A pool for each span, of speech or of a line of text, filled as windows come in order.

    A frame belongs to the span that its centre lies in.
    """

    def __init__(self, spans: list[Span], metadata: Metadata, functions: Functions) -> None:
        """Begin.

        Args:
            spans: in order of their starts; it may grow, as long as it covers a window by the time it is added.
            metadata: of the model, for the times of its frames.
            functions: of the model's readouts of a window.
        """
        self._spans, self._metadata, self._functions = spans, metadata, functions
        self._pools: list[Pool] = []
        self._first = 0  # the first span that may still get frames

    def add(self, output: Output, start: int, counted: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Add the window that begins at sample `start`; returns which of its frames lie in a span, (T,).

        Args:
            output: of the window.
            start: where it begins.
            counted: which of its frames count, (T,); None: all.
        """
        hop, count = self._metadata.hop, output.frame_count
        first = start // hop
        inside = np.zeros(count, np.bool_)
        for index in range(self._first, len(self._spans)):
            low, high = (
                self._frame(sample) - first for sample in (self._spans[index].start, self._spans[index].end)
            )
            if low >= count:
                break
            if len(self._pools) <= index:
                self._pools.append(Pool(self._functions))
            frames: slice | NDArray[np.bool_] = slice(max(low, 0), max(min(high, count), 0))
            inside[frames] = True
            if counted is not None:
                mine = np.zeros(count, np.bool_)
                mine[frames] = counted[frames]
                frames = mine
            self._pools[index].add_frames(output, frames)
            if high <= count and index == self._first:  # else an earlier one, which reaches further, goes on
                self._first = index + 1
        return inside

    @property
    def all(self) -> list[Pool]:
        """The pools of the first spans, among them those that have no frame."""
        return self._pools

    def restore(self, pools: list[Pool]) -> None:
        """Take those of another run, as `all` gave them."""
        self._pools = pools

    def pools(self) -> list[tuple[Span, Pool]]:
        """Each span with its pool, without those that have no frame."""
        return [(span, pool) for span, pool in zip(self._spans, self._pools, strict=False) if pool.frame_count]

    def _frame(self, sample: int) -> int:
        """The first frame whose centre is at or after a sample."""
        offset = sample - round(self._metadata.first_centre * SAMPLE_RATE)
        return max(0, -(-offset // self._metadata.hop))
