"""Captions for video players: SRT and WebVTT."""

from collections.abc import Iterator

from emovox.exports.spans import spans
from emovox.exports.verdict import head_phrase, relative_to, verdict_in
from emovox.inference.recognition import Recognition, Segment


def srt(recognition: Recognition, language: str) -> Iterator[str]:
    """SubRip: a numbered cue for each segment."""
    for number, span in enumerate(spans(recognition, 1000), 1):
        times = f"{_clock(span.start, ',')} --> {_clock(span.end, ',')}"
        yield f"{number}\n{times}\n{_cue(recognition, span.segment, language)}\n\n"


def vtt(recognition: Recognition, language: str) -> Iterator[str]:
    """WebVTT: a cue for each segment."""
    yield "WEBVTT\n"
    if relative := relative_to(recognition, language):
        yield f"\nNOTE {relative.replace('-->', '→')}\n"
    for span in spans(recognition, 1000):
        times = f"{_clock(span.start, '.')} --> {_clock(span.end, '.')}"
        yield f"\n{times}\n{_cue(recognition, span.segment, language)}\n"


def _cue(recognition: Recognition, segment: Segment, language: str) -> str:
    lead = verdict_in(recognition, segment, language)
    emoji = "" if lead.emotion is None else f"{lead.emotion.emoji} "
    head = head_phrase(segment, lead)
    return emoji + _plain(lead.with_confidence + (f" · {head}" if head else ""))


def _plain(text: str) -> str:
    """A text that no player takes for a tag or a time."""
    return text.replace("<", "‹").replace(">", "›")


def _clock(milliseconds: int, point: str) -> str:
    """HH:MM:SS and milliseconds; hours take a third digit when they must."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"
