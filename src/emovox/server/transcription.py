"""Transcriptions with emotions: what a transcriber answered, and what was measured beside it.

What the transcriber gave stays as it is: a field that it has itself isn't overwritten. What wasn't measured isn't
there.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Literal

from emovox.exports import Language
from emovox.exports.verdict import is_judged, verdict
from emovox.inference.recognition import Line, Recognition, Segment
from emovox.words import Cue, captions, decoded, edited, lines_of, words_of

Marks = Literal["class", "prefix", "none"]
"""How captions show emotions: `<c.angry>…</c>`, `[angry] …`, or not at all."""
_NO_CLASS = re.compile(r"[^\w-]+")


class Transcription:
    """What a transcriber answered.

    Attributes:
        cues: what it says, with times: lines, and behind them single words.
        lines: how many are lines.
    """

    def __init__(self, content: bytes, media_type: str, form: str) -> None:
        """Read it.

        Args:
            content: of the answer.
            media_type: of the answer.
            form: what was asked for, OpenAI's `response_format`.
        """
        self._content, self._form = content, form
        self._data: Any = None
        self._items: list[dict[str, Any]] = []
        self.cues: list[Cue] = []
        self.lines = 0
        if media_type.partition(";")[0].strip().lower().endswith("json"):
            self._read_json()
        elif form in {"srt", "vtt"}:
            self._captions = decoded(content)
            self._places = [number for number, cue in enumerate(captions(self._captions)) if cue.lasts]
            self.cues = [cue for cue in captions(self._captions) if cue.lasts]
            self.lines = len(self.cues)

    def _read_json(self) -> None:
        try:
            self._data = json.loads(self._content)
        except (ValueError, RecursionError):
            return
        lines, words = [*lines_of(self._data)], [*words_of(self._data)]
        if lines == words:
            words = []
        self._items = [item for item, _ in (*lines, *words)]
        self.cues = [cue for _, cue in (*lines, *words)]
        self.lines = len(lines)

    def with_emotions(self, recognition: Recognition, marks: Marks | None, language: Language) -> bytes:
        """The same with what was recognised, of all of it and of its cues.

        Args:
            recognition: with a line for each cue.
            marks: how captions show it; None: as classes in WebVTT, and as prefixes in SRT, which has none.
            language: of prefixes.
        """
        lines = recognition.lines or []
        if isinstance(self._data, dict):
            for item, line in zip(self._items, lines, strict=bool(lines)):
                item.update({**measured(line), **item})
            data = {
                **self._data,
                **{key: value for key, value in whole(recognition).items() if key not in self._data},
            }
            return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")
        if not lines or self._form not in {"srt", "vtt"} or marks == "none":
            return self._content
        mark = marks or ("class" if self._form == "vtt" else "prefix")
        every = dict(zip(self._places, lines, strict=True))
        numbers = count()

        def edit(_: Cue, text: str) -> str:
            line = every.get(next(numbers))
            if line is None or not is_judged(line) or line.emotion == "unknown":
                return text
            return _classed(line, text) if mark == "class" else f"[{verdict(line, language).text}] {text}"

        return edited(self._captions, edit).encode("utf-8", "replace")


def measured(item: Recognition | Segment | Line) -> dict[str, Any]:
    """What was measured, as fields of a transcriber's JSON."""
    names = ("emotion", "confidence", "scores", "unsure")
    facts: dict[str, Any] = {name: getattr(item, name, None) for name in names}
    facts = {name: value for name, value in facts.items() if value is not None}
    values = {name: value for readout in item.readouts.values() for name, value in (readout.values or {}).items()}
    classes = {name: readout for name, readout in item.readouts.items() if readout.label is not None}
    if values:
        facts["values"] = values
    if classes:
        facts["readouts"] = {name: readout.model_dump(mode="json") for name, readout in classes.items()}
    return facts


def whole(recognition: Recognition) -> dict[str, Any]:
    """That of a recording, with the codes of what may distort it."""
    facts = measured(recognition)
    return {**facts, "warnings": recognition.warnings} if recognition.warnings else facts


def events(recognition: Recognition, location: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events of what was recognised: kind and data of each.

    One for each line that the transcriber gave with its times, or else for each stretch of speech; then one of the
    whole.

    Args:
        recognition: with lines or segments.
        location: of its stored outputs.
    """
    items: Sequence[Line | Segment] = recognition.lines or recognition.segments or []
    for item in items:
        text = {"text": item.text} if isinstance(item, Line) else {}
        kind = "emovox.segment"
        yield kind, {"type": kind, "start": item.start, "end": item.end, **text, **measured(item)}
    stored = {} if location is None else {"location": location}
    yield "emovox.done", {"type": "emovox.done", **whole(recognition), **stored}


def _classed(line: Line, text: str) -> str:
    lead = verdict(line, "en")
    if lead.confidence is None:  # values are no class
        return text
    return f"<c.{_NO_CLASS.sub('-', lead.text)}>{text}</c>"
