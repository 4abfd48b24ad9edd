"""Windows: the pieces of waveform that a model sees at once, none longer than 30 s."""

from collections.abc import Iterable, Iterator

import numpy as np

from emovox.audio.waveform import SAMPLE_RATE, Waveform

WHOLE = 30 * SAMPLE_RATE
"""A recording up to this long is one window, so that its numbers are those of the model's authors."""
LONGEST = 20 * SAMPLE_RATE
"""Longer recordings are cut into windows of at most this length (before the overlap)."""


def cut(blocks: Iterable[Waveform], *, hop: int, overlap: int) -> Iterator[Waveform]:
    """Cut a stream of waveform blocks into windows, holding at most 40 s of it.

    Windows begin at multiples of `hop` and reach `overlap` samples into the next one: with a model whose first
    frame needs `hop + overlap` samples, the frames of all windows tile the recording on one grid. No window but
    an only one is shorter than 10 s: the last two share what is left.

    Args:
        blocks: waveform blocks of any lengths.
        hop: samples from one frame to the next.
        overlap: samples that the first frame needs beyond one hop.

    Yields:
        float32 windows (n,); none for an empty stream.
    """
    stride = LONGEST // hop * hop
    held: list[Waveform] = []
    size = 0
    whole = True
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > 2 * stride:
            whole = False
            buffer = np.concatenate(held)
            start = 0
            while size > 2 * stride:
                yield buffer[start : start + stride + overlap]
                start += stride
                size -= stride
            held = [buffer[start:]]
    if not size:
        return
    rest = np.concatenate(held)
    if whole and size <= WHOLE:
        yield rest
        return
    half = -(-size // (2 * hop)) * hop
    yield rest[: half + overlap]
    yield rest[half:]
