"""EmotionML 1.0, the W3C's markup of emotions (Recommendation of 22 May 2014)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from emovox.exports.verdict import one_line, relative_to
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import ReadoutResult, Recognition, Segment
from emovox.version import __version__

NAMESPACE = "http://www.w3.org/2009/10/emotionml"
_VOCABULARIES = "http://www.w3.org/TR/emotion-voc/xml"
BIG6 = f"{_VOCABULARIES}#big6"
"""Ekman's six, in the W3C's Vocabularies for EmotionML."""
PAD = f"{_VOCABULARIES}#pad-dimensions"
"""Mehrabian's pleasure, arousal and dominance, likewise."""
EKMAN = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
}
"""What six of the nine are called there."""
OTHERS = ("neutral", "other", "unknown")
"""Those of the nine that no vocabulary there has."""
DIMENSIONS = {"arousal": "arousal", "dominance": "dominance", "valence": "pleasure"}
"""What values are called in `PAD`."""
STEP = 0.1  # seconds from one sample of a trace to the next, about: curves are smoothed over more

_NO_NAME = re.compile(  # characters that no NMTOKEN of XML has
    "[^-.:0-9A-Z_a-z\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff]"
)
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class _Set:
    """A vocabulary: its URI, and its name for each of ours."""

    uri: str
    names: Mapping[str, str]


@dataclass(frozen=True)
class _Described:
    """The attribute that names the vocabulary of some descriptions, and they themselves."""

    attribute: str
    elements: tuple[str, ...]


def pieces(recognition: Recognition, sound: str) -> Iterator[str]:
    """The recording, its segments, and traces of values.

    An emotion is named in `BIG6`; neutral, other and unknown, and the classes of other readouts, in vocabularies
    that the document defines. Confidence is the score. Values are dimensions in `PAD`, if they are arousal,
    valence and dominance, else in a vocabulary of the document; on EmotionML's scale 0 is the lower end of their
    range and 1 the upper, and what lies outside is cut off. Values without a range can't be put on it, and are
    left out. Times are milliseconds from the start of the sound.

    Args:
        recognition: what is written.
        sound: the file that times refer to.
    """
    sets = _sets(recognition)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<emotionml version="1.0" xmlns="{NAMESPACE}">\n'
    yield f"  <info>{escape(_clean(_about(recognition)))}</info>\n"
    for (attribute, name), each in sets.items():
        if each.uri.startswith("#"):
            kind = attribute.removesuffix("-set")
            yield f'  <vocabulary type="{kind}" id={quoteattr(each.uri[1:])}>\n'
            yield f"    <info>{escape(_clean(name))}</info>\n"
            yield from (f"    <item name={quoteattr(item)}/>\n" for item in each.names.values())
            yield "  </vocabulary>\n"
    uri = quote(sound)
    yield from _emotions(recognition, sets, "recording", uri, 0, recognition.recording.duration)
    segments = recognition.segments or []
    for number, segment in enumerate(segments, 1):
        yield from _emotions(segment, sets, f"segment{number}", uri, segment.start, segment.end)
    if recognition.frames is not None:
        yield from _traces(recognition.frames, sets, uri)
    yield "</emotionml>\n"


def _about(recognition: Recognition) -> str:
    model, baseline = recognition.model, relative_to(recognition, "en")
    moved = f", {baseline}" if baseline else ""
    name = one_line(recognition.recording.name or "")
    return f"{name}: recognised by Emovox {__version__} with {model.name} {model.revision}{moved}"


def _sets(recognition: Recognition) -> dict[tuple[str, str], _Set]:
    """The vocabularies of a document, by their attribute and the readout whose they are."""
    items: list[Recognition | Segment] = [recognition, *(recognition.segments or [])]
    sets: dict[tuple[str, str], _Set] = {}
    if any(item.emotion in OTHERS for item in items):
        sets["category-set", "those of the nine that the W3C has not"] = _Set(
            "#emotions", {name: name for name in OTHERS}
        )
    for name, readout in (pair for item in items for pair in item.readouts.items()):
        if readout.scores is not None:
            sets.setdefault(("category-set", name), _Set(f"#categories.{_token(name)}", _tokens(readout.scores)))
        elif readout.range is not None:
            sets.setdefault(("dimension-set", name), _dimensions(name, readout.values or {}))
    for name, curve in ({} if recognition.frames is None else recognition.frames.readouts).items():
        if curve.values is not None and curve.range is not None:
            sets.setdefault(("dimension-set", name), _dimensions(name, curve.labels))
    return sets


def _dimensions(name: str, labels: Iterable[str]) -> _Set:
    every = list(labels)
    if {label.casefold() for label in every} <= DIMENSIONS.keys():
        return _Set(PAD, {label: DIMENSIONS[label.casefold()] for label in every})
    return _Set(f"#dimensions.{_token(name)}", _tokens(every))


def _emotions(
    item: Recognition | Segment,
    sets: Mapping[tuple[str, str], _Set],
    identifier: str,
    uri: str,
    start: float,
    end: float,
) -> Iterator[str]:
    """What is said of the whole or a segment: an element has one set of categories and one of dimensions."""
    categories, dimensions = list(_categories(item, sets)), list(_values(item.readouts, sets))
    for number, pair in enumerate(zip_longest(categories, dimensions), 1):
        id_ = identifier if number == 1 else f"{identifier}.{number}"
        yield from _emotion([each for each in pair if each is not None], id_, uri, start, end)


def _categories(item: Recognition | Segment, sets: Mapping[tuple[str, str], _Set]) -> Iterator[_Described]:
    if item.emotion is not None:
        word = EKMAN.get(item.emotion)
        uri = "#emotions" if word is None else BIG6
        yield _Described(
            f'category-set="{uri}"', (_description("category", word or item.emotion, confidence=item.confidence),)
        )
    for name, readout in item.readouts.items():
        if readout.label is not None:
            vocabulary = sets["category-set", name]
            token = vocabulary.names.get(readout.label, _token(readout.label))
            element = _description("category", token, confidence=readout.confidence)
            yield _Described(f"category-set={quoteattr(vocabulary.uri)}", (element,))


def _values(readouts: Mapping[str, ReadoutResult], sets: Mapping[tuple[str, str], _Set]) -> Iterator[_Described]:
    for name, readout in readouts.items():
        if readout.values and readout.range is not None:
            vocabulary = sets["dimension-set", name]
            low, high = readout.range
            elements = tuple(
                _description(
                    "dimension", vocabulary.names.get(label, _token(label)), value=_scaled(value, low, high)
                )
                for label, value in readout.values.items()
            )
            yield _Described(f"dimension-set={quoteattr(vocabulary.uri)}", elements)


def _traces(frames: Frames, sets: Mapping[tuple[str, str], _Set], uri: str) -> Iterator[str]:
    """The curves of values, a piece for each stretch whose frames count."""
    for name, curve in frames.readouts.items():
        if curve.values is None or curve.range is None:
            continue
        vocabulary, size = sets["dimension-set", name], max(1, round(STEP / frames.hop))
        step = size * frames.hop
        for number, (first, samples) in enumerate(_stretches(curve, size), 1):
            start = max(0.0, frames.first_centre - frames.hop / 2 + first * step)
            elements = tuple(
                f"<dimension name={quoteattr(vocabulary.names[label])}>"
                f'<trace freq="{round(1 / step, 6):g}Hz" samples="{" ".join(map(_number, column))}"/></dimension>'
                for label, column in zip(curve.labels, samples.T.tolist(), strict=True)
            )
            described = _Described(f"dimension-set={quoteattr(vocabulary.uri)}", elements)
            id_ = f"trace.{_token(name)}.{number}"
            yield from _emotion([described], id_, uri, start, start + len(samples) * step)


def _stretches(curve: FrameReadout, size: int) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Means of so many frames on EmotionML's scale, in stretches without a gap: its first, and (n, K)."""
    assert curve.range is not None  # noqa: S101  asked before
    low, high = curve.range
    numbers = np.clip((curve.numbers.astype(np.float64) - low) / (high - low), 0, 1)
    count = -(-len(numbers) // size)
    padded = np.full((count * size, numbers.shape[1]), np.nan)
    padded[: len(numbers)] = numbers
    blocks = padded.reshape(count, size, -1)
    finite = np.isfinite(blocks)
    counts = finite.sum(axis=1)
    means = np.where(finite, blocks, 0).sum(axis=1) / np.maximum(counts, 1)
    indices = np.flatnonzero((counts > 0).all(axis=1))
    for run in np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1):
        if len(run):
            yield int(run[0]), means[run]


def _emotion(parts: list[_Described], id_: str, uri: str, start: float, end: float) -> Iterator[str]:
    first, last = round(1000 * start), round(1000 * end)
    attributes = " ".join(part.attribute for part in parts)
    yield (
        f'  <emotion id={quoteattr(id_)} {attributes} expressed-through="voice" time-ref-uri={quoteattr(uri)} '
        f'time-ref-anchor-point="start" offset-to-start="{first}" duration="{last - first}">\n'
    )
    yield from (f"    {element}\n" for part in parts for element in part.elements)
    yield f"    <reference uri={quoteattr(f'{uri}#t={first / 1000:g},{last / 1000:g}')}/>\n  </emotion>\n"


def _description(element: str, name: str, **numbers: float | None) -> str:
    attributes = "".join(f' {key}="{_number(number)}"' for key, number in numbers.items() if number is not None)
    return f"<{element} name={quoteattr(name)}{attributes}/>"


def _scaled(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _number(number: float) -> str:
    return f"{number:.4f}".rstrip("0").rstrip(".")


def _tokens(labels: Iterable[str]) -> dict[str, str]:
    """A name for each label, none twice."""
    names: dict[str, str] = {}
    for label in labels:
        name = _token(label)
        while name in names.values():
            name += "_"
        names[label] = name
    return names


def _token(text: str) -> str:
    """A label as a name in XML: what no name may have becomes an underscore."""
    return _NO_NAME.sub("_", one_line(text).strip()) or "_"


def _clean(text: str) -> str:
    return _NO_XML.sub("", text)
