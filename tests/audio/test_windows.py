from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emovox.audio import speech, windows
from emovox.audio.speech import Span, SpeechFinder
from emovox.audio.windows import LEAST, LONGEST, SHORTEST, WHOLE, Window, cut, cut_at_pauses

HOP, OVERLAP = 320, 80
SECOND = 16_000

spans_of_speech = st.lists(
    st.tuples(st.integers(speech.LEAST_PAUSE, 25 * SECOND), st.integers(speech.SHORTEST, speech.LONGEST)),
    max_size=12,
)
"""Lengths of a pause and of the speech after it."""


class Told(SpeechFinder):
    """Knows where speech is, and finds it as late as the true one may."""

    def __init__(self, truth: list[Span]) -> None:
        super().__init__()
        self.truth = truth

    def push(self, block: np.ndarray) -> np.ndarray:
        self._samples += len(block)
        open_since = [span.start for span in self.truth if span.start < self._samples <= span.end + SECOND]
        self._tell(min([*open_since, self._samples]))
        return np.empty(0, np.float32)

    def finish(self) -> None:
        self._tell(self._samples)

    def _tell(self, known: int) -> None:
        self.known = max(self.known, known)
        self.spans = [span for span in self.truth if span.end <= self.known]


def place(lengths: list[tuple[int, int]]) -> list[Span]:
    spans, end = [], 0
    for pause, length in lengths:
        spans.append(Span(end + pause, end + pause + length))
        end = spans[-1].end
    return spans


def windows_of(
    size: int, spans: Iterable[Span] = (), blocks: int = SECOND, hop: int = HOP, overlap: int = OVERLAP
) -> list[Window]:
    waveform = np.arange(size, dtype=np.float32)
    pieces = (waveform[start : start + blocks] for start in range(0, size, blocks))
    inside = [span for span in spans if span.end <= size]
    return list(cut(pieces, hop=hop, overlap=overlap, speech=Told(inside)))


def test_nothing_gives_nothing() -> None:
    assert windows_of(0) == []


@pytest.mark.parametrize("size", [1, 400, WHOLE - 1, WHOLE])
def test_up_to_30_s_is_one_window(size: int) -> None:
    [window] = windows_of(size, [Span(0, 100)])
    assert (window.start, len(window.waveform)) == (0, size)


@given(
    size=st.integers(WHOLE + 1, 130 * SECOND),
    lengths=spans_of_speech,
    blocks=st.integers(1_000, 50 * SECOND),
    hop=st.sampled_from([160, 320, 321]),
    overlap=st.sampled_from([0, 80, 240]),
)
def test_windows_tile_the_recording_on_one_grid_of_frames(
    size: int, lengths: list[tuple[int, int]], blocks: int, hop: int, overlap: int
) -> None:
    found = windows_of(size, place(lengths), blocks, hop, overlap)
    least = hop + overlap
    frames = [1 + (len(window.waveform) - least) // hop for window in found]
    assert sum(frames) == 1 + (size - least) // hop, "as many frames as the whole recording has"
    start = 0
    for window, count in zip(found, frames, strict=True):
        assert window.start == start, "each window starts where the last one's frames end"
        # float32 holds whole numbers up to 2^24, more than there are samples here
        np.testing.assert_array_equal(window.waveform, start + np.arange(len(window.waveform)))
        shortest = LEAST if window is found[-1] else SHORTEST
        assert shortest - hop <= len(window.waveform) <= LONGEST + overlap
        start += count * hop


@given(size=st.integers(WHOLE + 1, 130 * SECOND), lengths=spans_of_speech)
def test_no_window_ends_while_somebody_speaks(size: int, lengths: list[tuple[int, int]]) -> None:
    spans = [span for span in place(lengths) if span.end <= size]
    for window in windows_of(size, spans)[1:]:
        assert not any(span.start < window.start - HOP and window.start + HOP < span.end for span in spans)


@given(size=st.integers(WHOLE + 1, 100 * SECOND), lengths=spans_of_speech, blocks=st.integers(1_000, 50 * SECOND))
def test_blocks_make_no_difference_and_neither_does_knowing_all_before(
    size: int, lengths: list[tuple[int, int]], blocks: int
) -> None:
    spans = place(lengths)
    streamed = [window.start for window in windows_of(size, spans, blocks)]
    assert streamed == [window.start for window in windows_of(size, spans, size)]
    inside = [span for span in spans if span.end <= size]
    known = cut_at_pauses(np.zeros(size, np.float32), inside, hop=HOP, overlap=OVERLAP)
    assert streamed == [window.start for window in known]


def test_a_window_for_each_sentence() -> None:
    spans = [Span(start * SECOND, (start + 2) * SECOND) for start in (1, 4, 20, 31)]
    starts = [window.start / SECOND for window in windows_of(35 * SECOND, spans)]
    assert starts == [0, 3.5, 6.5, 19.5, 22.5, 30.5, 33.5]


def test_where_no_pause_is_as_late_as_wanted_the_last_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the benchmark measures other lengths."""
    monkeypatch.setattr(windows, "WANTED", 12 * SECOND)
    spans = [Span(1 * SECOND, 4 * SECOND), Span(5 * SECOND, 10 * SECOND), Span(11 * SECOND, 28 * SECOND)]
    starts = [window.start / SECOND for window in windows_of(45 * SECOND, spans)]
    assert starts == [0, 10.5, 28.5]
