"""The waveform: float32, mono, 16 kHz, full scale ±1; and how samples of any kind become one."""

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from emovox.errors import UnreadableAudioError

SAMPLE_RATE = 16_000
RATES = (1_000, 768_000)
MAX_CHANNELS = 64
LOUDEST = 1e6  # of floats, whose full scale is 1: beyond it sums overflow, and it is no sound

Waveform = NDArray[np.float32]


def to_float(samples: NDArray[Any]) -> Waveform:
    """Scale samples of any real type to float32 with full scale ±1; floats keep their values.

    Raises:
        UnreadableAudioError: NaN, infinity, or floats beyond any sound.
    """
    kind = samples.dtype.kind
    full_scale = 1.0 if kind == "f" else 2.0 ** (8 * samples.dtype.itemsize - 1)
    with np.errstate(over="ignore", invalid="ignore"):  # both are refused below
        scaled = np.asarray(samples / full_scale - (kind == "u"), dtype=np.float32)
    if not np.isfinite(samples).all():
        raise UnreadableAudioError("the samples hold NaN or infinity")
    if scaled.size and np.abs(scaled).max() > LOUDEST:
        raise UnreadableAudioError("the samples go far beyond full scale, which is ±1: scale them first")
    return scaled


def to_channels_last(samples: NDArray[np.generic]) -> NDArray[np.generic]:
    """View an array as (samples, channels); of two dimensions the smaller one is the channels.

    Raises:
        UnreadableAudioError: not real numbers, more than two dimensions, or more than 64 channels.
    """
    if samples.dtype.kind not in "iuf":
        raise UnreadableAudioError(f"samples of type {samples.dtype} are not sound: give integers or floats")
    if samples.size == 0:
        return samples.reshape(0, 1)
    if samples.ndim == 1:
        return samples[:, np.newaxis]
    if samples.ndim != 2 or min(samples.shape) > MAX_CHANNELS:
        raise UnreadableAudioError(
            f"an array of shape {samples.shape} is not a recording: "
            f"give (samples,) or (samples, channels), at most {MAX_CHANNELS} channels"
        )
    return samples if samples.shape[0] >= samples.shape[1] else samples.T


def check_rate(rate: object) -> None:
    """Refuse a sample rate that no recording has.

    Raises:
        UnreadableAudioError: outside 1 kHz to 768 kHz.
    """
    if not isinstance(rate, (int, float, np.integer, np.floating)) or not RATES[0] <= rate <= RATES[1]:
        raise UnreadableAudioError(f"a sample rate of {rate!r} Hz is no number within {RATES[0]} to {RATES[1]}")


class Resampler:
    """A stream of mono blocks at one rate in, 16 kHz out (soxr, quality HQ); exact passthrough at 16 kHz.

    Blocks may have any sizes: what comes out is the same samples, however the input was cut.
    """

    def __init__(self, rate: float) -> None:
        check_rate(rate)
        self.rate = rate
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", "HQ")

    def push(self, block: Waveform, *, last: bool = False) -> Waveform:
        """Take mono samples (n,) and return what is ready (m,); `last` flushes the rest."""
        if self._stream is None:
            return block
        return np.asarray(self._stream.resample_chunk(block, last=last), dtype=np.float32)
