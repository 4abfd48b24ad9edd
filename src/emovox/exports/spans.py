"""Spans: segments on a clock of whole ticks, as formats write them, where none may overlap."""

from collections.abc import Iterator
from dataclasses import dataclass

from emovox.inference.recognition import Recognition, Segment


@dataclass(frozen=True)
class Span:
    """A segment from tick `start` to tick `end`, which is later."""

    start: int
    end: int
    segment: Segment


def spans(recognition: Recognition, rate: int) -> Iterator[Span]:
    """The segments in order, on a clock of `rate` ticks a second, none beyond the recording's end.

    Where rounding, or the segments themselves, made two overlap, the later one is cut; what has no tick left is
    left out.
    """
    free, limit = 0, round(recognition.recording.duration * rate)
    for segment in sorted(recognition.segments or [], key=lambda item: (item.start, item.end)):
        start, end = max(round(segment.start * rate), free), min(round(segment.end * rate), limit)
        if start < end:
            yield Span(start, end, segment)
            free = end
