"""The waveform: float32, mono, 16 kHz, full scale ±1; and how samples of any kind become one."""

from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from emovox.errors import UnreadableAudioError

SAMPLE_RATE = 16_000
RATES = (1_000, 768_000)
MAX_CHANNELS = 64
LOUDEST = 1e6  # of floats, whose full scale is 1: beyond it sums overflow, and it isn't sound
LOW = 21  # bits in the lower part of 32: a voice's usual level, if there are 24, and next to silence otherwise
OVERDRIVEN = 100  # of an array's floats: beyond it they must be integers in disguise

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


def to_own_scale(samples: NDArray[Any]) -> NDArray[Any]:
    """Give an array's samples their true scale, if it isn't that of their type.

    Python's integers become 64 bits wide, whatever was counted with them, and samples of 24 bits are often
    unpacked into the lower part of 32.

    Args:
        samples: of any real type and shape.

    Returns:
        The same sound: integers of up to 16 bits as int16, of 24 in the upper part of int32.

    Raises:
        UnreadableAudioError: the scale can't be determined.
    """
    kind = samples.dtype.kind
    if not samples.size or (kind in "iu" and samples.dtype.itemsize <= 2):
        return samples
    least, most = samples.min(), samples.max()
    if kind == "f":  # NaN and infinity are refused by `to_float`
        if OVERDRIVEN < max(-least, most) <= LOUDEST:
            raise UnreadableAudioError(
                f"floats have a full scale of ±1, but these range from {least:g} to {most:g}: divide them by "
                "32768 if they were 16-bit integers"
            )
        return samples
    # Sound scaled by 32768 reaches exactly that, one more than fits.
    bits = max(-1 - int(least), int(most) - 1, 0).bit_length() + 1
    free = bits <= 2 or not (samples & 0xFF).any()  # the lowest byte, by samples in the upper part
    narrow = samples.dtype.itemsize == 4 and bits <= 16 and not free
    if (kind == "u" and 0 < most < 2**24) or (kind == "i" and narrow):
        raise UnreadableAudioError(
            f"samples of type {samples.dtype} should fill that type's range, but these range from {least} to "
            f"{most}: give them as int16 if they are 16-bit, or as floats within ±1"
        )
    return _narrow(samples, bits, free=bool(free)) if kind == "i" else samples


def _narrow(samples: NDArray[Any], bits: int, *, free: bool) -> NDArray[Any]:
    """Narrow signed integers of 32 or 64 bits, of which so many are used."""
    top = 2 ** (bits - 1) - 1
    if bits < 8 * samples.dtype.itemsize:
        samples = np.clip(samples, ~top, top)
    if samples.dtype.itemsize == 8 and bits <= 32:
        samples, free = samples.astype(np.int16 if bits <= 16 else np.int32), False
    if samples.dtype.itemsize == 4 and bits <= 24 and (not free or bits >= LOW):
        return (samples << 8).astype(np.int32)
    return samples


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
    """Refuse an impossible sample rate.

    Raises:
        UnreadableAudioError: outside 1 kHz to 768 kHz.
    """
    if not isinstance(rate, (int, float, np.integer, np.floating)) or not RATES[0] <= rate <= RATES[1]:
        raise UnreadableAudioError(f"a sample rate of {rate!r} Hz is not a number from {RATES[0]} to {RATES[1]}")


class Resampler:
    """A stream of mono blocks at one rate in, 16 kHz out (soxr, quality HQ); exact passthrough at 16 kHz.

    Blocks may have any sizes: the output is the same however the input was cut.
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
