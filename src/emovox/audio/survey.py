"""The survey: what in the first minute of a recording is worth inference, before it is decoded.

A recorder with two inputs writes a silent track before the one with the voice; a cable with swapped wires
gives two channels whose mean is silence.
"""

import math
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from emovox.audio.quality import SILENCE
from emovox.audio.track import Samples
from emovox.audio.waveform import to_float

MINUTE = 60.0  # seconds
CANCELLED = 0.1  # of their power is left in the sum of channels that cancel each other; of unlike ones all of it
BLOCK = 16_384  # samples, at a time


class Survey:
    """The first minute of a track.

    Attributes:
        silent: no channel has any sound.
    """

    def __init__(self, frames: Iterable[Samples], *, patience: float = math.inf) -> None:
        """Survey the first minute of sound.

        Args:
            frames: samples (n, channels) of any type, and their rate in Hz.
            patience: seconds of silence after which it counts as silent.
        """
        self.silent = True
        self._count = 0
        self._sums = self._squares = np.zeros(0)
        self._total, self._total_square = 0.0, 0.0
        held: list[NDArray[np.generic]] = []
        passed = since = 0.0
        with suppress(Exception):  # errors are reported when it is decoded
            for samples, rate in frames:
                if held and held[0].shape[1] != samples.shape[1]:
                    held = []
                held.append(samples)
                passed += len(samples) / rate
                if sum(map(len, held)) < BLOCK:
                    continue
                self._add(to_float(np.concatenate(held)))
                held = []
                since = passed if self.silent else since
                if passed - since >= MINUTE or (self.silent and passed >= patience):
                    break
            if held:
                self._add(to_float(np.concatenate(held)))

    def _add(self, channels: NDArray[np.float32]) -> None:
        if channels.shape[1] != len(self._sums):  # also if their number changes midway
            self._count = 0
            self._sums, self._squares = np.zeros(channels.shape[1]), np.zeros(channels.shape[1])
            self._total, self._total_square = 0.0, 0.0
        if not channels.size or float(np.abs(channels).max()) <= SILENCE:
            return
        self.silent = False
        values = channels.astype(np.float64)
        total = values.sum(axis=1)
        self._count += len(values)
        self._sums += values.sum(axis=0)
        self._squares += np.square(values).sum(axis=0)
        self._total += float(total.sum())
        self._total_square += float(total @ total)

    @property
    def louder(self) -> int | None:
        """The loudest channel, from 1, if they cancel each other out; None if their mean is sound."""
        if self._count == 0 or len(self._sums) < 2:
            return None
        powers = self._squares / self._count - np.square(self._sums / self._count)
        left = self._total_square / self._count - (self._total / self._count) ** 2
        return int(powers.argmax()) + 1 if left < CANCELLED * float(powers.sum()) else None
