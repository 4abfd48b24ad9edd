"""Captions for video players: SRT and WebVTT."""

from collections.abc import Iterator

from emovox.emotions import BY_NAME
from emovox.exports.spans import spans
from emovox.inference.recognition import Recognition, Segment


def srt(recognition: Recognition, language: str) -> Iterator[str]:
    """SubRip: a numbered cue for each segment."""
    for number, span in enumerate(spans(recognition, 1000), 1):
        times = f"{_clock(span.start, ',')} --> {_clock(span.end, ',')}"
        yield f"{number}\n{times}\n{_cue(span.segment, language)}\n\n"


def vtt(recognition: Recognition, language: str) -> Iterator[str]:
    """WebVTT: a cue for each segment."""
    yield "WEBVTT\n"
    for span in spans(recognition, 1000):
        yield f"\n{_clock(span.start, '.')} --> {_clock(span.end, '.')}\n{_cue(span.segment, language)}\n"


def _cue(segment: Segment, language: str) -> str:
    emotion = BY_NAME[segment.emotion]
    own = "" if segment.head is None else f" · {_plain(segment.head.label)} {100 * segment.head.confidence:.0f} %"
    return f"{emotion.emoji} {emotion.label(language)} {100 * segment.confidence:.0f} %{own}"


def _plain(text: str) -> str:
    """A head's class as one line that no player takes for a tag or a time."""
    return " ".join(text.split()).replace("<", "‹").replace(">", "›")


def _clock(milliseconds: int, point: str) -> str:
    """HH:MM:SS and milliseconds; hours take a third digit when they must."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"
