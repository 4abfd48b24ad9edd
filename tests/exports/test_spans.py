from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from emovox.exports.spans import spans
from emovox.inference.recognition import Segment
from support.results import recognition, recording, segment


@st.composite
def disjoint_segments(draw: st.DrawFn, longest: float = 500_000.0) -> tuple[float, list[Segment]]:
    """A duration, and segments in order that may touch each other, 0 and the end, but don't overlap."""
    duration = draw(st.floats(0.025, longest))
    bounds = sorted(draw(st.lists(st.floats(0, duration), max_size=12)))
    if draw(st.booleans()):
        bounds = [0.0, *bounds, duration]
    pairs = list(pairwise(bounds))[:: 1 if draw(st.booleans()) else 2]
    return duration, [segment(start, end) for start, end in pairs if start < end]


@given(disjoint_segments())
def test_disjoint_and_within_half_a_tick_of_what_they_were(case: tuple[float, list[Segment]]) -> None:
    duration, segments = case
    free = 0
    found = list(spans(recognition(recording=recording(duration), segments=segments), 1000))
    for span in found:
        assert free <= span.start < span.end <= round(duration * 1000)
        assert abs(span.start - span.segment.start * 1000) <= 0.5 + 1e-6
        assert abs(span.end - span.segment.end * 1000) <= 0.5 + 1e-6
        free = span.end
    lost = [item for item in segments if not any(item is span.segment for span in found)]
    assert all(item.end - item.start <= 0.001 for item in lost)


def test_the_later_of_two_that_overlap_is_cut() -> None:
    segments = [segment(2, 9), segment(0, 3, "sad"), segment(1, 2, "angry")]
    found = list(spans(recognition(recording=recording(8), segments=segments), 10))
    assert [(span.start, span.end, span.segment.emotion) for span in found] == [(0, 30, "sad"), (30, 80, "happy")]


def test_none() -> None:
    assert list(spans(recognition(), 10)) == []
