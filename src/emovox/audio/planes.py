"""Planes: the samples of one of FFmpeg's frames, as an array."""

import av
import numpy as np
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def samples_of(frame: av.AudioFrame) -> NDArray[np.generic]:
    """The samples (n, channels) of a frame, in their own type.

    `AudioFrame.to_ndarray` and `AudioFrame.planes` of PyAV 18 count planes until an empty one, but
    there needn't be one after the eighth: they read foreign memory. Nor do they know 64-bit integers.
    """
    name, channels = frame.format.name, frame.layout.nb_channels
    planar = frame.format.is_planar
    kind = np.dtype(_TYPES[name.removesuffix("p") if planar else name])
    if planar and channels > 1:
        return np.stack([_plane(frame, number, kind, frame.samples) for number in range(channels)], axis=1)
    return _plane(frame, 0, kind, frame.samples * channels).reshape(-1, channels)


def _plane(frame: av.AudioFrame, number: int, kind: np.dtype[np.generic], count: int) -> NDArray[np.generic]:
    return np.frombuffer(memoryview(AudioPlane(frame, number)), kind, count)


def without_names(context: av.AudioCodecContext) -> int:
    """Drop the layout of the channels before decoding; returns their number.

    PyAV 18 frees the list of names together with each layout it hands out, and FFmpeg frees it again. With a
    number instead of names there is nothing to free.
    """
    named = context.layout
    channels = named.nb_channels
    if channels:
        context.layout = av.AudioLayout(f"{channels} channels")
    return channels
