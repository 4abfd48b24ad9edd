"""Pooling: one vector of an embedding, as the archive keeps it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.errors import ArchiveError

_HALF = float(np.finfo(np.float16).max)


def pooled(embedding: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """One vector, float32 (D,), of an embedding (D,), (1, D) or (T, D): the mean over all or the masked frames.

    Raises:
        ArchiveError: another shape, or not finite.
    """
    array = np.asarray(embedding)
    if array.ndim not in {1, 2} or not array.size or array.dtype.kind not in "fiu":
        raise ArchiveError(
            f"an embedding has the shape (D,), (1, D) or (T, D), not {array.shape} of {array.dtype}"
        )
    frames = True if mask is None or len(mask) != len(array) else mask[:, np.newaxis]
    mean = array if array.ndim == 1 else array.mean(axis=0, dtype=np.float64, where=frames)
    if not np.isfinite(mean).all() or float(np.abs(mean).max()) > _HALF:
        raise ArchiveError("the embedding holds NaN, infinity, or a number above 65504")
    return mean.astype(np.float32)
