"""Praat's TextGrid, in its long text form."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial

from emovox.exports.spans import spans
from emovox.exports.verdict import one_line, relative_to, verdict_in
from emovox.inference.recognition import ReadoutResult, Recognition, Segment

_RATE = 1_000_000  # ticks a second: finer than a sample, and exact as a decimal number


def pieces(recognition: Recognition, language: str) -> Iterator[str]:
    """Interval tiers that tile the recording and are empty between segments.

    `emotion` and `confidence`, if the model gives the nine; for a readout of classes the same, such as
    `mood.label` and `mood.confidence`; one for each value, such as `dimensions.arousal`; else one of where speech
    is. The names of tiers that are relative to a baseline say to which: `emotion relative to line3`.
    """
    intervals = list(_tiles(recognition))
    xmax = _seconds(max(round(recognition.recording.duration * _RATE), 1))
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    tiers = dict(_tiers(recognition, language))
    yield f"xmin = 0 \nxmax = {xmax} \ntiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    for tier, (name, say) in enumerate(tiers.items(), 1):
        yield f'    item [{tier}]:\n        class = "IntervalTier" \n        name = "{_quoted(name)}" \n'
        yield f"        xmin = 0 \n        xmax = {xmax} \n        intervals: size = {len(intervals)} \n"
        for number, (start, end, segment) in enumerate(intervals, 1):
            text = "" if segment is None else _quoted(say(segment))
            yield (
                f"        intervals [{number}]:\n            xmin = {_seconds(start)} \n"
                f'            xmax = {_seconds(end)} \n            text = "{text}" \n'
            )


def _tiers(recognition: Recognition, language: str) -> Iterator[tuple[str, Callable[[Segment], str]]]:
    """Each tier's name, and what it says of a segment."""
    items: list[Recognition | Segment] = [recognition, *(recognition.segments or [])]
    readouts = {name: readout for item in items for name, readout in item.readouts.items()}
    baseline = relative_to(recognition, "en")
    moved = f" {baseline}" if baseline else ""
    if recognition.emotion is not None or not readouts:
        speech = recognition.emotion is None and all(item.emotion is None for item in items)
        name = "speech" if speech else f"emotion{moved}"
        yield name, lambda segment: verdict_in(recognition, segment, language).text
        if not speech:
            yield f"confidence{moved}", lambda segment: _number(segment.confidence)
    for name, readout in readouts.items():
        if readout.scores is not None:
            suffix = moved if readout.scores_without is not None else ""
            yield f"{name}.label{suffix}", _of(name, lambda item: one_line(item.label or ""))
            yield f"{name}.confidence{suffix}", _of(name, lambda item: _number(item.confidence))
        for value in readout.values or {}:
            yield f"{name}.{value}", _of(name, partial(_value, value))


def _of(name: str, say: Callable[[ReadoutResult], str]) -> Callable[[Segment], str]:
    """What is said of a segment's readout of this name; nothing if it has none."""
    return lambda segment: say(segment.readouts[name]) if name in segment.readouts else ""


def _value(name: str, item: ReadoutResult) -> str:
    return _number((item.values or {}).get(name))


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


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
