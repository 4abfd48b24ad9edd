"""Calls: examples one after the other in one recording, and their labels as annotation programs write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from praatio import textgrid

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.wav import WavWriter
from emovox.audio.waveform import SAMPLE_RATE

PAUSE = 0.7  # seconds


class Mark(NamedTuple):
    """What is said of a stretch, in seconds."""

    start: float
    end: float
    label: str


def write_call(path: Path, examples: Sequence[Path]) -> list[Mark]:
    """A WAV of examples, each named after its emotion; gives where each of them is."""
    marks, pause, writer = [], np.zeros(round(PAUSE * SAMPLE_RATE), np.float32), WavWriter(path)
    at = 0
    for example in examples:
        with open_recording(example, max_bytes=2**24) as recording, decode(recording, max_seconds=60) as decoding:
            waveform = np.concatenate(list(decoding.blocks()))
        label = example.stem.rpartition("_")[2]
        start, end = (round(sample / SAMPLE_RATE, 3) for sample in (at, at + len(waveform)))
        marks.append(Mark(start, end, label))
        for block in (waveform, pause):
            writer.write(block)
            at += len(block)
    writer.close()
    return marks


def write_textgrid(path: Path, marks: Sequence[Mark], tier: str = "label") -> Path:
    """As praatio writes it, in Praat's long form."""
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier(tier, marks, 0, marks[-1].end + PAUSE))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
    return path


def write_eaf(path: Path, marks: Sequence[Mark], media: str, speaker: str = "anna") -> Path:
    """As pympi writes it, with this recording linked to it."""
    eaf = pytest.importorskip("pympi.Elan").Eaf(author="nobody")
    eaf.add_linked_file(f"file:///C:/recordings/{media}", relpath=f"./{media}", mimetype="audio/x-wav")
    eaf.remove_tier("default")
    eaf.add_tier("emotion", part=speaker)
    for start, end, label in marks:
        eaf.add_annotation("emotion", round(1000 * start), round(1000 * end), label)
    eaf.to_file(str(path))
    return path


def write_audacity(path: Path, marks: Sequence[Mark]) -> Path:
    """As Audacity exports labels."""
    path.write_text("".join(f"{start:.6f}\t{end:.6f}\t{label}\n" for start, end, label in marks), encoding="utf-8")
    return path
