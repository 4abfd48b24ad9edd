"""The sound of a stretch of a recording, where a list is about parts of recordings."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.errors import AudioError
from emovox.labels.label_list import Labelled, Span
from emovox.labels.value_list import Rated
from emovox.settings import settings


def sound_of(row: Labelled | Rated) -> Path | tuple[Waveform, float]:
    """What of a list's row is recognised: the file, or its stretch as float32 (n,) with the rate in Hz.

    Raises:
        AudioError: the recording of a stretch can't be used, or ends before it.
    """
    return row.path if row.span is None else (_stretch(row.path, row.span), float(SAMPLE_RATE))


def _stretch(path: Path, span: Span) -> Waveform:
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise AudioError(f"can't be read: {error.strerror or error}") from error
    waveform = _waveform(path, modified)
    start, end = (round(seconds * SAMPLE_RATE) for seconds in span)
    if start >= len(waveform):
        raise AudioError(f"the recording ends at {len(waveform) / SAMPLE_RATE:.2f} s, before this stretch of it")
    return waveform[start:end]


@lru_cache(maxsize=1)  # the stretches of one recording follow each other
def _waveform(path: Path, modified: int) -> Waveform:
    """All of a recording, (n,); the time of its last change is there to tell a changed file."""
    options = settings()
    with (
        open_recording(path, max_bytes=options.max_file_size) as recording,
        decode(recording, max_seconds=options.max_duration) as decoding,
    ):
        return np.concatenate(list(decoding.blocks()))
