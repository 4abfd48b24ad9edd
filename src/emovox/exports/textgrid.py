"""Praat's TextGrid, in its long text form."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from emovox.emotions import BY_NAME
from emovox.exports.spans import spans
from emovox.inference.recognition import Recognition, Segment

_RATE = 1_000_000  # ticks a second: finer than a sample, and exact as a decimal number


def pieces(recognition: Recognition, language: str) -> Iterator[str]:
    """Two interval tiers, `emotion` and `confidence`, which tile the recording and are empty between segments.

    A head has a third one with its name.
    """
    intervals = list(_tiles(recognition))
    xmax = _seconds(max(round(recognition.recording.duration * _RATE), 1))
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    tiers: dict[str, Callable[[Segment], str]] = {
        "emotion": lambda segment: BY_NAME[segment.emotion].label(language),
        "confidence": lambda segment: f"{segment.confidence:.4f}",
    }
    if recognition.head is not None:
        tiers[f"head {_quoted(recognition.head.name)}"] = lambda segment: (
            "" if segment.head is None else _quoted(segment.head.label)
        )
    yield f"xmin = 0 \nxmax = {xmax} \ntiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    for tier, (name, say) in enumerate(tiers.items(), 1):
        yield f'    item [{tier}]:\n        class = "IntervalTier" \n        name = "{name}" \n'
        yield f"        xmin = 0 \n        xmax = {xmax} \n        intervals: size = {len(intervals)} \n"
        for number, (start, end, segment) in enumerate(intervals, 1):
            text = "" if segment is None else say(segment)
            yield (
                f"        intervals [{number}]:\n            xmin = {_seconds(start)} \n"
                f'            xmax = {_seconds(end)} \n            text = "{text}" \n'
            )


def _tiles(recognition: Recognition) -> Iterator[tuple[int, int, Segment | None]]:
    """Segments and the gaps around them, from 0 to the end, in ticks."""
    done, limit = 0, max(round(recognition.recording.duration * _RATE), 1)
    for span in spans(recognition, _RATE):
        if done < span.start:
            yield done, span.start, None
        yield span.start, span.end, span.segment
        done = span.end
    if done < limit:
        yield done, limit, None


def _quoted(text: str) -> str:
    """Text to put between quotation marks."""
    return text.replace('"', '""')


def _seconds(ticks: int) -> str:
    return f"{Decimal(ticks) / _RATE:f}"
