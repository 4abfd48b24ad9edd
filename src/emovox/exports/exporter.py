"""An exporter: what writes a recognition in one format. Those of plug-ins are made of the same."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from emovox.inference.frames import FRAMES
from emovox.inference.recognition import Recognition
from emovox.inference.stored_result import Part
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS

Language = Literal["en", "zh"]

_TAKEN = {AUDIO, RESULT, EMBEDDING, SEGMENT_EMBEDDINGS, FRAMES}
_STEM = re.compile(r"[a-z][a-z0-9_]{0,40}")
_SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,16}){1,2}")


@dataclass(frozen=True)
class ExportInput:
    """What a file is made from.

    Attributes:
        recognition: the result.
        sound: the file that it was recognised in, WAV, mono, 16 kHz; where only scores are kept it isn't there.
        language: `en` or `zh`, of what people read; tables have the English names.
    """

    recognition: Recognition
    sound: Path
    language: Language


Writer = Callable[[ExportInput, BinaryIO], None]
"""Writes a whole file. What it raises is told to the user: `ExportError` in its own words."""


@dataclass(frozen=True)
class Exporter:
    """A format of exports.

    Attributes:
        title: what people call it.
        about: what it holds, for the command's help.
        suffix: of its files.
        media_type: of its files.
        writers: what writes each part that it shows, `segments`, `lines` of text or `frames`; it is called where a
            result has it.
        package: that its writers need.
        stem: of the name of the one file that shows all parts; empty: each has a file of its own.
        chinese: the title in Chinese; empty: the same.
    """

    title: str
    about: str
    suffix: str
    media_type: str
    writers: Mapping[Part, Writer]
    package: str | None = None
    stem: str = ""
    chinese: str = ""

    @property
    def stems(self) -> tuple[str, ...]:
        """Of the names of its files."""
        return (self.stem,) if self.stem else tuple(self.writers)


def check_exporter(name: str, exporter: Exporter, others: Iterable[Exporter]) -> None:
    """Refuse what would write over other files, or what nobody could fetch.

    Raises:
        ValueError: it is so.
    """
    if not exporter.writers or not set(exporter.writers) <= set(get_args(Part)):
        raise ValueError(f"it has to show one of {', '.join(get_args(Part))}")
    if not _SUFFIX.fullmatch(exporter.suffix) or not all(map(_STEM.fullmatch, exporter.stems)):
        raise ValueError(
            f"its files would be called {exporter.stems[0]}{exporter.suffix}, which is no name for one"
        )
    names = {f"{stem}{other.suffix}".lower() for other in others for stem in other.stems}
    for stem in exporter.stems:
        if f"{stem}{exporter.suffix}".lower() in names | _TAKEN:
            raise ValueError(
                f"another file is called {stem}{exporter.suffix}: give it a stem or suffix of its own"
            )
