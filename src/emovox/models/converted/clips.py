"""Real speech that comes with the program: the examples, to compare precisions on."""

from functools import cache
from pathlib import Path

import numpy as np

from emovox.audio.recording import open_recording
from emovox.audio.waveform import Waveform
from emovox.errors import ModelError

_PLACES = (
    Path(__file__).parents[2] / "examples",  # in the wheel
    Path(__file__).parents[4] / "examples",  # in a checkout
)


@cache
def example_clips() -> tuple[Waveform, ...]:
    """The seven examples, float32 (n,) each, 16 kHz.

    Raises:
        ModelError: this installation has lost them.
    """
    files = example_files()
    if not files:
        raise ModelError(f"the example recordings are not where they belong: {_PLACES[0]}")
    return tuple(_read(file) for file in files)


def example_files() -> list[Path]:
    """Where they are, in order."""
    return sorted(file for place in _PLACES for file in place.glob("*.flac"))


def _read(file: Path) -> Waveform:
    from emovox.audio.decoding import decode  # noqa: PLC0415  FFmpeg takes time to load, and few need the clips

    with open_recording(file, max_bytes=2**20) as recording, decode(recording, max_seconds=60) as decoding:
        return np.concatenate(list(decoding.blocks()))
