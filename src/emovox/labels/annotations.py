"""Files of annotation programs: Praat's TextGrid, ELAN's EAF, Audacity's label tracks.

Each gives rows of intervals: start and end in seconds, and a column for each tier with what it says of that very
interval. Rows of several tiers with the same times are one. A file is about one recording.

Source: Praat's manual, "TextGrid file formats"; the ELAN Annotation Format, EAF 3.0; Audacity's manual, "Importing
and Exporting Labels".
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from emovox.audio.files import EXTENSIONS
from emovox.errors import LabelsError
from emovox.labels.reader import END, START
from emovox.outputs import AUDIO
from emovox.words import textgrid

MOST = 2**26
"""Bytes of a file."""
_MARK = re.compile(r"\s+\d{1,3} %$")  # how sure our own export was
_TIMES = re.compile(r"-?\d+(\.\d+)?\t-?\d+(\.\d+)?(\t|$)")


class _Mark(NamedTuple):
    """What a tier says of a stretch, in seconds."""

    start: float
    end: float
    tier: str
    text: str


def read_textgrid(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a TextGrid, long or short.

    Raises:
        LabelsError: it is none.
    """
    data = _bytes(path)
    if data.startswith(b"ooBinaryFile"):
        raise LabelsError(f"{path}: a binary TextGrid: save it in Praat as a text file")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    yield from _rows(path, _textgrid(path, _decoded(path, data, encoding)))


def read_eaf(path: Path) -> Iterator[dict[str, str]]:
    """The rows of an EAF file; who a tier's participant is says the column `speaker`.

    Raises:
        LabelsError: it is none.
    """
    root = _document(path)
    speakers = {
        tier.get("TIER_ID", ""): speaker for tier in root.iter("TIER") if (speaker := tier.get("PARTICIPANT"))
    }
    yield from _rows(path, _eaf(path, root), speakers)


def media_of_eaf(path: Path) -> list[str]:
    """What an EAF file says that its recording is called: its path, and its name, which may lie beside the file.

    Raises:
        LabelsError: it is none.
    """
    names: dict[str, None] = {}
    for media in _document(path).iter("MEDIA_DESCRIPTOR"):
        for url in (media.get("RELATIVE_MEDIA_URL"), media.get("MEDIA_URL")):
            address = unquote(urlsplit(url or "").path)
            names |= dict.fromkeys(name for name in (address, Path(address).name) if name)
    return list(names)


def no_media(path: Path) -> list[str]:
    """What files say that only have the recording's name: nothing."""
    del path
    return []


def read_audacity(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a label track: start, end and label between tabs.

    How sure an export of Emovox's was, as in "angry 87 %", is no part of a label.

    Raises:
        LabelsError: a line is something else.
    """

    def marks() -> Iterator[_Mark]:
        for number, line in enumerate(_decoded(path, _bytes(path), "utf-8-sig").splitlines(), 1):
            if not line.strip() or line.startswith("\\"):  # frequencies of the line before
                continue
            if not _TIMES.match(line):
                raise LabelsError(f"{path}: line {number} has no start, end and label between tabs")
            start, end, *rest = line.split("\t")
            yield _Mark(float(start), float(end), "label", _MARK.sub("", " ".join(rest)))

    yield from _rows(path, marks())


def is_audacity(path: Path) -> bool:
    """Whether a text file begins as a label track does, and not with the heading of a table."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return _TIMES.match(next((line for line in file if line.strip()), "").rstrip("\r\n")) is not None
    except OSError:
        return False


def beside(path: Path, media: Sequence[str]) -> str:
    """The recording of a file among those that lie there: one that it names, or the one that has its name.

    In an outputs directory it is the sound.

    Args:
        path: of the file.
        media: what it says that its recording is called.

    Raises:
        LabelsError: there is none, or more than one.
    """
    for name in media:
        if (path.parent / name).is_file():
            return name
    files = sorted(file.name for file in path.parent.iterdir() if file.suffix.lower() in EXTENSIONS)
    names = [name for name in files if name == path.stem]  # call.wav.TextGrid
    names = names or [name for name in files if Path(name).stem == path.stem]
    names = names or [name for name in files if name == AUDIO]
    if len(names) != 1:
        reason = f"both {names[0]} and {names[1]} are" if names else f"no recording called {path.stem}.* is"
        raise LabelsError(f"{path}: {reason} beside it, so it isn't known which recording it is about")
    return names[0]


def _rows(path: Path, marks: Iterable[_Mark], speakers: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A row for each stretch, in order of time; those of different speakers are apart."""
    rows: dict[tuple[float, float, str], dict[str, str]] = {}
    for start, end, tier, text in marks:
        if not text.strip():
            continue
        if not (math.isfinite(end) and 0 <= start < end):
            if start == end:  # a point has no sound
                continue
            raise LabelsError(f"{path}: {text!r:.60} goes from {start:g} s to {end:g} s")
        speaker = (speakers or {}).get(tier, "")
        row = rows.setdefault((start, end, speaker), {START: f"{start:g}", END: f"{end:g}"})
        row[tier] = " ".join(text.split())
        if speaker:
            row["speaker"] = speaker
    yield from (rows[key] for key in sorted(rows))


def _textgrid(path: Path, text: str) -> Iterator[_Mark]:
    try:
        yield from (_Mark(*mark) for mark in textgrid(text))
    except ValueError as error:
        raise LabelsError(f"{path}: {error}") from error


def _eaf(path: Path, root: ElementTree.Element) -> Iterator[_Mark]:
    """The annotations of all tiers; one that refers to another has its times."""
    try:
        slots = {
            slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) / 1000
            for slot in root.iter("TIME_SLOT")
            if "TIME_VALUE" in slot.attrib
        }
        times: dict[str, tuple[float, float]] = {}
        pending = []
        for tier in root.iter("TIER"):
            name = tier.attrib["TIER_ID"]
            for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
                start, end = annotation.attrib["TIME_SLOT_REF1"], annotation.attrib["TIME_SLOT_REF2"]
                if start in slots and end in slots:
                    times[annotation.attrib["ANNOTATION_ID"]] = slots[start], slots[end]
                    yield _Mark(slots[start], slots[end], name, annotation.findtext("ANNOTATION_VALUE") or "")
            pending += [(name, annotation) for annotation in tier.iter("REF_ANNOTATION")]
        while pending:  # a reference may be to another one
            rest = []
            for name, annotation in pending:
                if (own := times.get(annotation.attrib["ANNOTATION_REF"])) is None:
                    rest.append((name, annotation))
                    continue
                times[annotation.attrib["ANNOTATION_ID"]] = own
                yield _Mark(*own, name, annotation.findtext("ANNOTATION_VALUE") or "")
            if len(rest) == len(pending):
                break
            pending = rest
    except (KeyError, ValueError) as error:
        raise LabelsError(f"{path}: a damaged EAF file: {error}") from error


def _document(path: Path) -> ElementTree.Element:
    data = _bytes(path)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise LabelsError(f"{path}: not an EAF file: it declares a document type")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  without a document type there are no entities
    except ElementTree.ParseError as error:
        raise LabelsError(f"{path}: not valid XML: {error}") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise LabelsError(f"{path}: not an EAF file: its root is {root.tag:.100}")
    return root


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST:
            raise LabelsError(f"{path}: over {MOST // 2**20} MiB, which no file of this kind has")
        return path.read_bytes()
    except OSError as error:
        raise LabelsError(f"{path}: can't be read: {error.strerror or error}") from error


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise LabelsError(f"{path}: not UTF-8 text: save it as UTF-8") from error
