"""Windows: the pieces of waveform that a model sees at once, at most 30 s long."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emovox.audio.speech import Span, SpeechFinder
from emovox.audio.waveform import SAMPLE_RATE, Waveform

WHOLE = 30 * SAMPLE_RATE
"""A recording up to this long is one window, so that its numbers are those of the model's authors."""
LONGEST = 20 * SAMPLE_RATE
"""Longer recordings are cut, where speech pauses, into windows of at most this length (before the overlap)."""
WANTED = 1 * SAMPLE_RATE
"""A window ends at the first pause after this length."""
SHORTEST = SAMPLE_RATE
"""No window of several is shorter but the last, if there is speech in it; one whole recording may be."""
LEAST = 3 * SAMPLE_RATE // 10
"""Of the last one."""
BREATH = SAMPLE_RATE // 2
"""How far from speech a window may end in a long pause; in a shorter one it ends in the middle."""
_OVER = 1 << 62  # later than any recording's end


@dataclass(frozen=True)
class Window:
    """A piece of waveform: float32 (n,), from sample `start` of the recording."""

    start: int
    waveform: Waveform


class _Held:
    """The part of a stream that isn't in a window yet."""

    def __init__(self, hop: int, overlap: int) -> None:
        self.start = 0
        self.end = 0
        self._hop, self._overlap = hop, overlap
        self._blocks: list[Waveform] = []
        self._first = 0  # sample where the first block begins

    def add(self, block: Waveform) -> None:
        self._blocks.append(block)
        self.end += len(block)

    def take(self, cut: int | None) -> Window:
        """The window up to a cut, which is a multiple of the hop from the start; None: up to the end."""
        buffer = np.concatenate(self._blocks)
        stop = self.end if cut is None else cut + self._overlap
        window = Window(self.start, buffer[self.start - self._first : stop - self._first])
        self.start = self.end if cut is None else cut
        self._blocks, self._first = [buffer[self.start - self._first :]], self.start
        return window

    def cut(self, spans: Sequence[Span], known: int) -> int | None:
        """Where the next window ends, or None if that can't be known yet.

        Args:
            spans: of speech, in order.
            known: the sample before which all of them are there; beyond the end: the stream is over.
        """
        # What follows must be enough for a window of its own; a last word is, however short it is.
        last = min(self.start + LONGEST, self.end) - max(SHORTEST, self._overlap)
        if known == _OVER and spans and self.end - self.start <= LONGEST:
            last = max(last, min(spans[-1].start, self.end - max(LEAST, self._overlap)))
        places = [place // self._hop * self._hop for place in self._pauses(spans, known)]
        places = [place for place in places if self.start + SHORTEST <= place <= last]
        if candidates := [place for place in places if place >= self.start + WANTED]:
            return candidates[0]
        end = (self.start + LONGEST - SHORTEST) // self._hop * self._hop
        if end > last or end + 2 * BREATH > known:
            return None
        return places[-1] if places else end

    def _pauses(self, spans: Sequence[Span], known: int) -> Iterator[int]:
        """Places where nobody speaks, as far as they are certain: one in a short pause, two in a long one."""
        first = bisect_left(spans, self.start, key=lambda span: span.end)
        pause = spans[first - 1].end if first else 0
        for span in spans[first:]:
            if span.start - pause <= 2 * BREATH:
                yield (pause + span.start) // 2
            else:
                yield from (pause + BREATH, span.start - BREATH)
            pause = span.end
        if known > pause + 2 * BREATH:
            yield pause + BREATH


def cut(blocks: Iterable[Waveform], *, hop: int, overlap: int, speech: SpeechFinder) -> Iterator[Window]:
    """Cut a stream of waveform blocks into windows, holding less than a minute of it.

    Windows begin at multiples of `hop` and reach `overlap` samples into the next one: with a model whose first
    frame needs `hop + overlap` samples, the frames of all windows tile the recording on one grid. When a window
    is given, `speech` knows every span that begins before its end.

    Args:
        blocks: waveform blocks of any lengths.
        hop: samples from one frame to the next.
        overlap: samples that the first frame needs beyond one hop.
        speech: a new finder, which is given the blocks as they come.

    Yields:
        Windows in order; none for an empty stream.
    """
    held = _Held(hop, overlap)
    for block in blocks:
        for first in range(0, len(block), LONGEST):  # a long block is no reason to hold more of it
            piece = block[first : first + LONGEST]
            speech.push(piece)
            held.add(piece)
            if held.end > WHOLE:
                while (place := held.cut(speech.spans, speech.known)) is not None:
                    yield held.take(place)
    speech.finish()
    if held.end > WHOLE:
        while (place := held.cut(speech.spans, _OVER)) is not None:
            yield held.take(place)
    if held.end:
        yield held.take(None)


def cut_at_pauses(waveform: Waveform, spans: Sequence[Span], *, hop: int, overlap: int) -> Iterator[Window]:
    """Cut a whole waveform, of any length, where speech pauses; as `cut` does with long recordings."""
    held = _Held(hop, overlap)
    held.add(waveform)
    while (place := held.cut(spans, _OVER)) is not None:
        yield held.take(place)
    yield held.take(None)
