"""Tiny models of every kind, by a word, and sound of which they say something."""

from pathlib import Path

import numpy as np

from emovox.audio.wav import WavWriter
from emovox.models.converted.clips import example_clips
from emovox.models.readout import Readout
from support import tiny

KINDS: dict[str, tuple[Readout, ...]] = {
    "foreign": (tiny.FOREIGN,),
    "calls": (tiny.CALLS,),
    "moods": (tiny.MOODS,),
    "values": (tiny.DIMENSIONS,),
    "window": (tiny.PEAK,),
    "embeddings": (),
    "all": (tiny.EMOTIONS, tiny.DIMENSIONS, tiny.PEAK, tiny.MOODS),
}
"""What each gives; the nine follow from `calls` and `all` alone."""
NINE = {"calls", "all"}


def own(kind: str) -> list[str]:
    """The names of its readouts that results list: all but the nine themselves."""
    return [readout.name for readout in KINDS[kind] if not readout.is_nine]


def swaying(path: Path) -> Path:
    """A WAV file of speech that sways slowly around zero, as the tiny models' frames are means."""
    pieces = [piece for clip in example_clips()[:3] for piece in (clip, np.zeros(12_000, np.float32))]
    speech = np.concatenate(pieces)
    sway = 0.45 * np.sin(2 * np.pi * 0.17 * np.arange(len(speech)) / 16_000)
    writer = WavWriter(path)
    writer.write((0.5 * speech + sway).astype(np.float32))
    writer.close()
    return path
