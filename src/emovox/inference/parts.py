"""The parts of a recognition, from pools to verdicts: segments, and lines of text."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE
from emovox.inference.pooling import Pool, Segments
from emovox.inference.recognition import WORDS_BEYOND_END, WORDS_WITHOUT_SPEECH, Line, Segment
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Output
from emovox.models.runtime.readout_function import Functions
from emovox.words import Cue

LATE = 1.0  # seconds after a recording's end; transcribers round
MERGE_GAP = 1.0  # seconds; a longer pause separates segments even if they have the same emotion

Verdict = Callable[[Pool, float], dict[str, Any]]
"""The fields of a whole or a part, of a pool and the seconds that it is of."""


def segments(
    pools: Sequence[tuple[Span, Pool]], verdict: Verdict, *, merge: bool, channel: int | None, embeddings: bool
) -> list[Segment]:
    """A segment for each span of speech, or one for neighbours that have the same emotion.

    Args:
        pools: of the spans, in order.
        verdict: gives the fields of each.
        merge: whether to join them.
        channel: that was recognised alone.
        embeddings: whether segments are to have theirs.
    """
    items: list[tuple[Span, Pool, dict[str, Any]]] = []
    for span, pool in pools:
        fields = verdict(pool, _length(span))
        if merge and items and _joins(items[-1], span, fields):
            before, joined, _ = items.pop()
            joined.join(pool)
            both = Span(before.start, span.end)
            items.append((both, joined, verdict(joined, _length(both))))
        else:
            items.append((span, pool, fields))
    return [
        Segment(
            start=span.start / SAMPLE_RATE,
            end=span.end / SAMPLE_RATE,
            **fields,
            channel=channel,
            embedding=pool.embedding if embeddings else None,
        )
        for span, pool, fields in items
    ]


class Lines:
    """The pools of lines of text, filled as windows come in order.

    To a line counts the speech in it: transcribers let lines reach into the pauses around them, and write some
    where nobody speaks. One that is shorter than what the curve is smoothed over is looked at as the curve is: no
    model tells the emotion of a fifth of a second.
    """

    def __init__(self, words: Sequence[Cue], metadata: Metadata, functions: Functions, *, shortest: float) -> None:
        """Begin.

        Args:
            words: the lines, in any order; they may overlap.
            metadata: of the model.
            functions: of the model's readouts of a window.
            shortest: seconds that are looked at, at least.
        """
        self._words = words
        spans = [_around(cue, shortest) for cue in words]
        self._order = sorted(range(len(spans)), key=lambda index: spans[index].seconds)
        self._spans = [spans[index] for index in self._order]
        self._pools = Segments(self._spans, metadata, functions)

    def add(self, output: Output, start: int, speech: NDArray[np.bool_]) -> None:
        """Add the window that begins at sample `start`, of whose frames those count, (T,)."""
        self._pools.add(output, start, speech)

    def finish(self, verdict: Verdict, speech: Sequence[Span]) -> list[Line]:
        """The lines, as they were given; those without speech have nothing but their text.

        Args:
            verdict: gives the fields of each.
            speech: its spans, in order.
        """
        fields: dict[int, dict[str, Any]] = {}
        for index, span, pool in zip(self._order, self._spans, self._pools.all, strict=False):
            if pool.frame_count:
                fields[index] = verdict(pool, _spoken(span, speech))
        return [
            Line(start=cue.start, end=cue.end, text=cue.text, **fields.get(index, {}))
            for index, cue in enumerate(self._words)
        ]


def oddities(words: Sequence[Cue], duration: float, speech: Sequence[Span]) -> list[str]:
    """The codes of what lines of text have about them that those of this recording wouldn't.

    Args:
        words: the lines.
        duration: of the recording, in seconds.
        speech: its spans, in order; where there are none, another warning says so.
    """
    codes = []
    if any(cue.start > duration + LATE for cue in words):
        codes.append(WORDS_BEYOND_END)
    if speech and 2 * sum(not _spoken(_around(cue, 0.0), speech) for cue in words) > len(words):
        codes.append(WORDS_WITHOUT_SPEECH)
    return codes


def _around(cue: Cue, shortest: float) -> Span:
    """The samples of a line, or about its middle as many as `shortest` seconds are."""
    spare = max(0.0, shortest - (cue.end - cue.start)) / 2
    return Span(round(max(0.0, cue.start - spare) * SAMPLE_RATE), round((cue.end + spare) * SAMPLE_RATE))


def _spoken(span: Span, speech: Sequence[Span]) -> float:
    """Seconds of speech in a span."""
    samples = 0
    for item in speech[bisect_right(speech, span.start, key=lambda item: item.end) :]:
        if item.start >= span.end:
            break
        samples += min(item.end, span.end) - max(item.start, span.start)
    return samples / SAMPLE_RATE


def _length(span: Span) -> float:
    return (span.end - span.start) / SAMPLE_RATE


def _joins(last: tuple[Span, Pool, dict[str, Any]], span: Span, fields: dict[str, Any]) -> bool:
    near = span.start - last[0].end <= MERGE_GAP * SAMPLE_RATE
    return near and "emotion" in fields and last[2]["emotion"] == fields["emotion"]
