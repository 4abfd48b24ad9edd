"""Words with their times: SRT, WebVTT, Praat's TextGrid, and the verbose JSON of OpenAI's interface.

Files are read by the rules of the page (`web/src/lib/captions.ts`).

Source: Praat's manual, "TextGrid file formats".
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from emovox.errors import OptionsError

SUFFIXES = (".srt", ".vtt", ".textgrid", ".json")
"""What names of files of words end in."""
LARGEST = 2**26
"""Bytes of a file of words, at most."""
MOMENT = 0.01  # seconds of a word that begins and ends at once

_TIMES = re.compile(
    r"((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})[ \t]*-->[ \t]*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})", re.ASCII
)
_GAP = re.compile(r"(\r?\n[ \t]*(?:\r?\n)+)")
_TAGS = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|([^\s"]+)')
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_ENTITY = re.compile(r"&(\w+);", re.ASCII)
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "nbsp": "\u00a0", "lrm": "", "rlm": ""}


@dataclass(frozen=True)
class Cue:
    """A line of text, or a word, that is said from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str

    @property
    def lasts(self) -> bool:
        """Whether it says something, at times that there can be."""
        return bool(self.text) and 0 <= self.start < self.end and isfinite(self.end)


def read(path: str | Path, *, may_be_empty: bool = False) -> list[Cue]:
    """The cues of a file, by time.

    Raises:
        OptionsError: it can't be read, or has no words with times and may not be without.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise OptionsError(f"words {path}: give a file that ends in {', '.join(SUFFIXES)}")
    try:
        if path.stat().st_size > LARGEST:
            raise OptionsError(f"words {path}: larger than {LARGEST} bytes, which no transcript is")
        content = path.read_bytes()
        decoded(content, errors="strict")  # words with other letters would be kept for ever
        cues = parse(path.name, content)
    except OSError as error:
        raise OptionsError(f"words {path}: it can't be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise OptionsError(f"words {path}: not UTF-8 text: save it as UTF-8") from error
    if not cues and not may_be_empty:
        raise OptionsError(f"words {path}: there are no words with times in it")
    return cues


def parse(name: str, content: bytes) -> list[Cue]:
    """The cues of a file's content, by time; none if none can be read. Its name says what it is."""
    text = decoded(content)
    cues: Iterable[Cue]
    if name.lower().endswith(".json"):
        try:
            cues = (cue for _, cue in lines_of(json.loads(text)))
        except (ValueError, RecursionError):
            cues = ()
    elif name.lower().endswith(".textgrid"):
        cues = _first_tier(text)
    else:
        cues = captions(text)
    return sorted((cue for cue in cues if cue.lasts), key=lambda cue: cue.start)


def decoded(content: bytes, errors: str = "replace") -> str:
    """UTF-8, or UTF-16 where a mark says so; `errors` as of `bytes.decode`."""
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf_16 else "utf-8-sig", errors=errors)


def _first_tier(text: str) -> list[Cue]:
    """Those of the first tier of intervals that says something."""
    tiers: dict[str, list[Cue]] = {}
    try:
        for start, end, tier, content in textgrid(text):
            tiers.setdefault(tier, []).append(Cue(start, end, " ".join(content.split())))
    except ValueError:
        return []
    return next((cues for cues in tiers.values() if any(cue.lasts for cue in cues)), [])


def textgrid(text: str) -> Iterator[tuple[float, float, str, str]]:
    """The intervals of all interval tiers of a TextGrid, long or short: start, end, tier, text.

    Quoted words and numbers are all that counts in either form.

    Raises:
        ValueError: it is none, or damaged.
    """
    words = [
        quoted.replace('""', '"') if bare is None else bare
        for quoted, bare in (match.groups() for match in _TOKEN.finditer(text))
        if bare is None or _NUMBER.fullmatch(bare) or bare == "<exists>"
    ]
    if words[:2] != ["ooTextFile", "TextGrid"] or "<exists>" not in words:
        raise ValueError("not a TextGrid in text form: save it as one in Praat")
    rest = iter(words[words.index("<exists>") + 1 :])
    try:
        for _ in range(int(next(rest))):
            kind, name, _, _, count = (next(rest) for _ in range(5))
            for _ in range(int(count)):
                if kind == "IntervalTier":
                    yield float(next(rest)), float(next(rest)), name, next(rest)
                else:  # a point and its mark
                    next(rest), next(rest)
    except (StopIteration, ValueError, RuntimeError) as error:
        raise ValueError("a damaged TextGrid, or cut short") from error


def captions(text: str) -> Iterator[Cue]:
    """The cues of SRT or WebVTT, in the file's order, those without text among them."""
    for block in _GAP.split(text)[::2]:
        if (times := _TIMES.search(block)) is not None:
            yield _cue(times, block[_payload(block, times) :])


def edited(text: str, edit: Callable[[Cue, str], str]) -> str:
    """The same SRT or WebVTT with other texts; all else stays as it is, to the byte.

    Args:
        text: of the file.
        edit: what becomes of a cue's own text, which it is given as it stands there, tags and all. It is asked
            for each of `captions`, in their order.
    """
    pieces = _GAP.split(text)
    for number in range(0, len(pieces), 2):
        block = pieces[number]
        if (times := _TIMES.search(block)) is None:
            continue
        at = _payload(block, times)
        own = block[at:]
        spoken = own.strip()
        before, _, after = own.partition(spoken) if spoken else (own, "", "")
        pieces[number] = block[:at] + before + edit(_cue(times, own), spoken) + after
    return "".join(pieces)


def _payload(block: str, times: "re.Match[str]") -> int:
    """Where the lines below a cue's times begin."""
    end = block.find("\n", times.end())
    return len(block) if end < 0 else end + 1


def _cue(times: "re.Match[str]", own: str) -> Cue:
    return Cue(_seconds(times[1]), _seconds(times[2]), plain(" ".join(own.splitlines())))


def _seconds(clock: str) -> float:
    seconds = 0.0
    for part in clock.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def plain(text: str) -> str:
    """A cue's text without tags, positions and entities."""
    text = _ENTITY.sub(lambda match: _ENTITIES.get(match[1], match[0]), _TAGS.sub("", text))
    return " ".join(text.split())


def lines_of(data: Any) -> Iterator[tuple[dict[str, Any], Cue]]:
    """The lines of a transcriber's JSON: its segments, or its words where it has none, each with what it says."""
    segments = [*_items(data, "segments", "text")]
    yield from segments or words_of(data)


def words_of(data: Any) -> Iterator[tuple[dict[str, Any], Cue]]:
    """The words of a transcriber's JSON: those of the whole, and those that its segments have themselves."""
    yield from _items(data, "words", "word")
    for segment in _list(data, "segments"):
        yield from _items(segment, "words", "word")


def _items(data: Any, key: str, text: str) -> Iterator[tuple[dict[str, Any], Cue]]:
    for item in _list(data, key):
        if not isinstance(item, dict) or (cue := _of_item(item, text)) is None:
            continue
        if key == "words" and cue.start == cue.end:  # as whisper.cpp has pieces of words
            cue = replace(cue, end=cue.end + MOMENT)
        if cue.lasts:
            yield item, cue


def _list(data: Any, key: str) -> list[Any]:
    items = data.get(key) if isinstance(data, dict) else None
    return items if isinstance(items, list) else []


def _of_item(item: Mapping[str, Any], text: str) -> Cue | None:
    start, end, content = item.get("start"), item.get("end"), item.get(text, item.get("text"))
    numbers = all(isinstance(time, (int, float)) and not isinstance(time, bool) for time in (start, end))
    if not numbers or not isinstance(content, str):
        return None
    return Cue(float(item["start"]), float(item["end"]), plain_spaces(content))


def plain_spaces(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def as_cues(words: Iterable[Cue | Mapping[str, Any]]) -> tuple[Cue, ...]:
    """Cues of cues, or of mappings with `start`, `end` and `text`, in their order.

    Raises:
        OptionsError: one says nothing, or at times that there can't be.
    """
    cues = []
    for item in words:
        cue = _of_item(item, "text") if isinstance(item, Mapping) else item
        if not isinstance(cue, Cue) or not cue.lasts:
            raise OptionsError("words: each needs start and end in seconds, the end after the start, and a text")
        cues.append(cue)
    return tuple(cues)
