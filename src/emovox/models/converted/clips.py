"""Clips: the example recordings that come with the program, to compare precisions on."""

from functools import cache
from pathlib import Path

import numpy as np

from emovox.audio.recording import open_recording
from emovox.audio.waveform import Waveform
from emovox.errors import ModelError

_DIRECTORIES = (
    Path(__file__).parents[2] / "examples",  # in the wheel
    Path(__file__).parents[4] / "examples",  # in a checkout
)


@cache
def example_clips() -> tuple[Waveform, ...]:
    """The seven examples, float32 (n,) each, 16 kHz.

    Raises:
        ModelError: they are missing from this installation.
    """
    files = example_files()
    if not files:
        raise ModelError(f"the example recordings are missing from {_DIRECTORIES[0]}: install Emovox again")
    return tuple(_read(file) for file in files)


def example_files() -> list[Path]:
    """Their paths, sorted."""
    return sorted(file for directory in _DIRECTORIES for file in directory.glob("*.flac"))


def scene_files() -> list[Path]:
    """The paths of longer examples with several emotions in a row, sorted; no precision is tried on them."""
    return sorted(file for directory in _DIRECTORIES for file in (directory / "scene").glob("*.flac"))


def _read(file: Path) -> Waveform:
    from emovox.audio.decoding import decode  # noqa: PLC0415  FFmpeg takes time to load, and few need the clips

    with open_recording(file, max_bytes=2**20) as recording, decode(recording, max_seconds=60) as decoding:
        return np.concatenate(list(decoding.blocks()))
