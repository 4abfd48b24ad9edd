"""Spans: segments, or lines, in whole ticks, none of them overlapping, as formats need them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from emovox.inference.recognition import Line, Recognition, Segment

Item = TypeVar("Item", Segment, Line)


@dataclass(frozen=True)
class Span(Generic[Item]):
    """A segment or a line from tick `start` to the later tick `end`."""

    start: int
    end: int
    segment: Item


def spans(recognition: Recognition, rate: int) -> Iterator[Span[Segment]]:
    """The segments in order, in `rate` ticks a second, none beyond the recording's end.

    If two overlap, by themselves or after rounding, the later one is cut; one that has no tick left is left out.
    """
    yield from spans_of(recognition.segments or [], recognition.recording.duration, rate)


def spans_of(items: Iterable[Item], duration: float, rate: int) -> Iterator[Span[Item]]:
    """Those of any items, as `spans` gives them; `duration` is that of the recording, in seconds."""
    free, limit = 0, round(duration * rate)
    for segment in sorted(items, key=lambda item: (item.start, item.end)):
        start, end = max(round(segment.start * rate), free), min(round(segment.end * rate), limit)
        if start < end:
            yield Span(start, end, segment)
            free = end
