"""Stretches: what was recognised between any two times of a recording, by what is stored of it.

It comes as near to recognising the stretch alone as it can without the sound. A recording of more than 30 s went
through the model in windows that end where speech pauses: there the mean of the logits of the stretch's frames is
what the model says of it. A shorter one was a single window, in which each frame depends on all others, but its
segments had windows of their own: there they count, by the seconds that they share with the stretch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.archive.record import ArchiveRecord
from emovox.audio.waveform import SAMPLE_RATE
from emovox.audio.windows import WHOLE
from emovox.emotions import NAMES
from emovox.errors import FramesError
from emovox.inference import stored_result as stored
from emovox.inference.frames import Frames
from emovox.inference.nine import by_name
from emovox.inference.raw import frames_without_baseline
from emovox.models.metadata import Metadata
from emovox.models.readout import temperature
from emovox.models.scores import emotion_scores, readout_scores, to_scores
from emovox.outputs import RESULT

Span = tuple[float, float]
"""Seconds."""

_ALL = 0.9  # of a recording: a stretch as long is taken for the whole


def stretch_scores(
    record: ArchiveRecord,
    spans: Sequence[Span],
    segments: Sequence[Mapping[str, Any]],
    metadata: Metadata | None = None,
) -> Iterator[dict[str, float] | None]:
    """The scores of the nine in each stretch, without a baseline; None: nothing stored lies in it.

    Args:
        record: with scores of the nine.
        spans: of the stretches.
        segments: of the record, as `Archive.segments` gives them.
        metadata: of its model; without it, confidence isn't what it would be in so short a stretch.
    """
    if "silence" in record.warnings:
        yield from (None for _ in spans)
        return
    frames = _frames(record)
    times = np.empty(0) if frames is None else frames.times
    starts, ends = (np.array([item[name] for item in segments]) for name in ("start", "end"))
    rows = np.array([[item[name] or 0.0 for name in NAMES] for item in segments])
    length = record.duration or 0.0
    for start, end in spans:
        shared = np.maximum(0, np.minimum(end, ends) - np.maximum(start, starts))
        speech = float(shared.sum())
        inside = slice(*np.searchsorted(times, (start, end)))
        by_frames = length > WHOLE / SAMPLE_RATE or end - start >= _ALL * length or not speech
        if frames is not None and by_frames and inside.start < inside.stop:
            yield by_name(_of_frames(frames, inside, speech or end - start, metadata))
        else:
            yield by_name(shared @ rows / speech) if speech else None


def _frames(record: ArchiveRecord) -> Frames | None:
    """The curve in its outputs directory, without a baseline; None: there is none, or it was deleted."""
    if record.outputs is None or record.granularity != "frame":
        return None
    try:
        frames = stored.read_frames(record.outputs / RESULT)
        if frames is None or frames.scores is None:
            return None
        if record.baseline is not None and frames.logits is None:
            return frames_without_baseline(frames.inline(), record.baseline, record.emotions)
    except (OSError, ValueError, FramesError):  # deleted by hand, or damaged
        return None
    return frames


def _of_frames(frames: Frames, inside: slice, seconds: float, metadata: Metadata | None) -> NDArray[np.float64]:
    """The scores (9,) of some frames, of so many seconds of speech."""
    readout = None if metadata is None else metadata.emotions
    own = None if readout is None else frames.readouts.get(readout.name)
    divisor = 1.0 if readout is None else temperature(readout.temperatures, seconds)
    if frames.logits is not None:
        return to_scores(frames.logits[inside].mean(axis=0, dtype=np.float64) / divisor, NAMES)
    if readout is not None and own is not None and own.logits is not None:
        mean = own.logits[inside].mean(axis=0, dtype=np.float64)
        return emotion_scores(readout, readout_scores(readout, mean / divisor))
    assert frames.scores is not None  # noqa: S101  looked at before
    return np.asarray(frames.scores[inside].mean(axis=0, dtype=np.float64))
