"""Captions for video players: SRT and WebVTT."""

from collections.abc import Iterator

from emovox.exports.spans import spans, spans_of
from emovox.exports.verdict import head_phrase, is_judged, one_line, relative_to, verdict_in
from emovox.inference.recognition import Line, Recognition, Segment


def srt(recognition: Recognition, language: str, *, lines: bool = False) -> Iterator[str]:
    """SubRip: a numbered cue for each segment, or for each line of text, with the text below."""
    for number, (start, end, text) in enumerate(_cues(recognition, language, lines=lines), 1):
        yield f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n\n"


def vtt(recognition: Recognition, language: str, *, lines: bool = False) -> Iterator[str]:
    """WebVTT: the same."""
    yield "WEBVTT\n"
    if relative := relative_to(recognition, language):
        yield f"\nNOTE {relative.replace('-->', '→')}\n"
    for start, end, text in _cues(recognition, language, lines=lines):
        yield f"\n{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n"


def _cues(recognition: Recognition, language: str, *, lines: bool) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds, and the text."""
    if not lines:
        for span in spans(recognition, 1000):
            yield span.start, span.end, _cue(recognition, span.segment, language)
        return
    for line in spans_of(recognition.lines or [], recognition.recording.duration, 1000):
        text = _plain(one_line(line.segment.text))
        shown = is_judged(line.segment)
        yield line.start, line.end, f"{_cue(recognition, line.segment, language)}\n{text}" if shown else text


def _cue(recognition: Recognition, segment: Segment | Line, language: str) -> str:
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
