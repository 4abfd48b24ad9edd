"""Decimation to the columns of a picture: the waveform's envelope, and the means of curves."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.errors import OutputsError
from emovox.inference.frames import Frames

_BLOCK = 2**20  # samples read at once, about


@dataclass(frozen=True)
class Envelope:
    """The waveform's range in each column.

    Attributes:
        times: the columns' centres, seconds, (n,).
        lowest: the smallest sample in each, full scale ±1, (n,).
        highest: the largest.
    """

    times: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]


def envelope(sound: Path, columns: int) -> Envelope:
    """Read a 16-bit mono WAV in blocks.

    Raises:
        OutputsError: it can't be read, or is another kind of WAV.
    """
    try:
        with wave.open(str(sound), "rb") as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise OutputsError(f"{sound}: not a 16-bit mono WAV, as Emovox writes: recognise again")
            edges = _edges(file.getnframes(), columns)
            lowest, highest = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
            at_once = max(_BLOCK * len(lowest) // max(file.getnframes(), 1), 1)
            for first in range(0, len(lowest), at_once):
                bounds = edges[first : first + at_once + 1]
                block = np.frombuffer(file.readframes(int(bounds[-1] - bounds[0])), dtype="<i2")
                if len(block) < bounds[-1] - bounds[0]:
                    raise EOFError
                starts = bounds[:-1] - bounds[0]
                lowest[first : first + at_once] = np.minimum.reduceat(block, starts)
                highest[first : first + at_once] = np.maximum.reduceat(block, starts)
            times = (edges[:-1] + edges[1:]) / (2 * file.getframerate())
            return Envelope(times, lowest / 32768, highest / 32768)
    except (OSError, EOFError, wave.Error) as error:
        raise OutputsError(f"{sound}: can't be read: {str(error) or 'it is cut short'}") from error


def curves(
    frames: Frames, numbers: NDArray[np.float32], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres in seconds (n,) and means (n, K) of at most `columns` columns of the frames' numbers (T, K).

    A mean is that of the numbers that aren't NaN, and NaN where all are.
    """
    if not len(numbers):
        return np.zeros(0), np.zeros((0, numbers.shape[1]))
    edges = _edges(len(numbers), columns)
    finite = np.isfinite(numbers)
    counts = np.add.reduceat(finite, edges[:-1], axis=0, dtype=np.float64)
    sums = np.add.reduceat(np.where(finite, numbers, 0), edges[:-1], axis=0, dtype=np.float64)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    return frames.first_centre + frames.hop * middles, means


def _edges(count: int, columns: int) -> NDArray[np.int64]:
    """The bounds of at most `columns` columns of `count` items, none of them empty."""
    columns = min(columns, count)
    return np.arange(columns + 1, dtype=np.int64) * count // max(columns, 1)
