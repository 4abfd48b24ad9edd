"""Spans: segments in whole ticks, none of them overlapping, as formats need them."""

from collections.abc import Iterator
from dataclasses import dataclass

from emovox.inference.recognition import Recognition, Segment


@dataclass(frozen=True)
class Span:
    """A segment from tick `start` to the later tick `end`."""

    start: int
    end: int
    segment: Segment


def spans(recognition: Recognition, rate: int) -> Iterator[Span]:
    """The segments in order, in `rate` ticks a second, none beyond the recording's end.

    If two overlap, by themselves or after rounding, the later one is cut; one that has no tick left is left out.
    """
    free, limit = 0, round(recognition.recording.duration * rate)
    for segment in sorted(recognition.segments or [], key=lambda item: (item.start, item.end)):
        start, end = max(round(segment.start * rate), free), min(round(segment.end * rate), limit)
        if start < end:
            yield Span(start, end, segment)
            free = end
