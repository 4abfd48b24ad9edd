"""The formats: the name of each, what it shows, and what writes it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Literal

from emovox.errors import ExportError
from emovox.exports import (
    audacity,
    captions,
    comma_separated,
    emotionml,
    parquet,
    plane,
    report,
    textgrid,
    timeline,
)
from emovox.exports.replacement import replacing
from emovox.inference.recognition import Recognition
from emovox.inference.stored_result import Part
from emovox.models.readout import Readout
from emovox.outputs import AUDIO
from emovox.packages import install

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class _Input:
    """What a file is made from."""

    recognition: Recognition
    sound: Path
    language: Language


_Write = Callable[[_Input, BinaryIO], None]


@dataclass(frozen=True)
class _Format:
    """All that is known of a format.

    Attributes:
        title: what people call it.
        about: what it holds, for the command's help.
        suffix: of its files.
        media_type: of its files.
        writers: what writes each part that it shows.
        package: that its writers need.
        stem: of the name of the one file that shows all parts; empty: each has a file of its own.
        chinese: the title in Chinese; empty: the same.
    """

    title: str
    about: str
    suffix: str
    media_type: str
    writers: dict[Part, _Write]
    package: str | None = None
    stem: str = ""
    chinese: str = ""


def _text(pieces: Callable[[_Input], Iterable[str]]) -> _Write:
    def write(job: _Input, file: BinaryIO) -> None:
        for piece in pieces(job):
            file.write(piece.encode("utf-8"))

    return write


def _drawn(kind: Literal["png", "svg"]) -> _Write:
    def write(job: _Input, file: BinaryIO) -> None:
        timeline.write(job.recognition, job.sound, file, kind=kind, language=job.language)

    return write


def _planed(kind: Literal["png", "svg"]) -> _Write:
    def write(job: _Input, file: BinaryIO) -> None:
        plane.write(job.recognition, file, kind=kind, language=job.language)

    return write


def _sound_of(job: _Input) -> str:
    """The file that times refer to: what was processed, if it was kept, or else the recording by its name."""
    return job.sound.name if job.sound.exists() else job.recognition.recording.name or job.sound.name


_FORMATS: dict[str, _Format] = {
    "srt": _Format(
        title="SRT",
        about="captions: a cue for each segment, and for each line of text",
        suffix=".srt",
        media_type="application/x-subrip",
        writers={
            "segments": _text(lambda job: captions.srt(job.recognition, job.language)),
            "lines": _text(lambda job: captions.srt(job.recognition, job.language, lines=True)),
        },
    ),
    "vtt": _Format(
        title="VTT",
        about="the same, for browsers",
        suffix=".vtt",
        media_type="text/vtt; charset=utf-8",
        writers={
            "segments": _text(lambda job: captions.vtt(job.recognition, job.language)),
            "lines": _text(lambda job: captions.vtt(job.recognition, job.language, lines=True)),
        },
    ),
    "textgrid": _Format(
        title="TextGrid (Praat)",
        chinese="TextGrid（Praat）",
        about="Praat and ELAN: tiers of emotion, confidence, classes and values",
        suffix=".TextGrid",
        media_type="text/plain; charset=utf-8",
        writers={"segments": _text(lambda job: textgrid.pieces(job.recognition, job.language))},
    ),
    "audacity": _Format(
        title="Audacity",
        about="a label track",
        suffix=".txt",
        media_type="text/plain; charset=utf-8",
        writers={"segments": _text(lambda job: audacity.lines(job.recognition, job.language))},
    ),
    "emotionml": _Format(
        title="EmotionML",
        about="EmotionML 1.0 of the W3C: categories, dimensions, and the values' traces",
        suffix=".emotionml.xml",
        media_type="application/emotionml+xml",
        writers=dict.fromkeys(
            ("segments", "frames"),
            _text(lambda job: emotionml.pieces(job.recognition, _sound_of(job))),
        ),
        stem="emotions",
    ),
    "csv": _Format(
        title="CSV",
        about="tables: a row for each segment, for each line of text, and for each frame",
        suffix=".csv",
        media_type="text/csv; charset=utf-8",
        writers={
            "segments": _text(lambda job: comma_separated.segments(job.recognition)),
            "lines": _text(lambda job: comma_separated.lines(job.recognition)),
            "frames": _text(lambda job: comma_separated.frames(job.recognition)),
        },
    ),
    "parquet": _Format(
        title="Parquet",
        about="the same, typed",
        suffix=".parquet",
        media_type="application/vnd.apache.parquet",
        writers={
            "segments": lambda job, file: parquet.write_segments(job.recognition, file),
            "lines": lambda job, file: parquet.write_lines(job.recognition, file),
            "frames": lambda job, file: parquet.write_frames(job.recognition, file),
        },
        package="pyarrow",
    ),
    "png": _Format(
        title="PNG",
        about="the timeline: waveform, curves, segments",
        suffix=".png",
        media_type="image/png",
        writers={"segments": _drawn("png"), "frames": _drawn("png")},
        package="matplotlib",
        stem="timeline",
    ),
    "svg": _Format(
        title="SVG",
        about="the same, to be scaled and searched",
        suffix=".svg",
        media_type="image/svg+xml",
        writers={"segments": _drawn("svg"), "frames": _drawn("svg")},
        package="matplotlib",
        stem="timeline",
    ),
    "plane": _Format(
        title="Plane",
        chinese="情感平面",
        about="arousal over valence, and the way through it, as PNG",
        suffix=".png",
        media_type="image/png",
        writers=dict.fromkeys(("segments", "frames"), _planed("png")),
        package="matplotlib",
        stem="plane",
    ),
    "plane_svg": _Format(
        title="Plane (SVG)",
        chinese="情感平面（SVG）",
        about="the same, to be scaled",
        suffix=".svg",
        media_type="image/svg+xml",
        writers=dict.fromkeys(("segments", "frames"), _planed("svg")),
        package="matplotlib",
        stem="plane",
    ),
    "html": _Format(
        title="Report",
        chinese="报告",
        about="a page to hand on, and to print: summary, picture, peaks, model, limits",
        suffix=".html",
        media_type="text/html; charset=utf-8",
        writers=dict.fromkeys(
            ("segments", "frames"), _text(lambda job: report.pieces(job.recognition, job.sound, job.language))
        ),
        stem="report",
    ),
}

_PLANES = {"plane", "plane_svg"}

FORMATS = tuple(_FORMATS)
"""The names of the formats, in the order in which files are written."""
MEDIA_TYPES = {form.suffix.removeprefix("."): form.media_type for form in _FORMATS.values()}
"""Of the files, by suffix."""


def title(name: str, language: Language = "en") -> str:
    """What people call a format."""
    form = _FORMATS[name]
    return (form.chinese if language == "zh" else "") or form.title


def about(name: str) -> str:
    """What a format holds, and what it needs, in a line of English."""
    form = _FORMATS[name]
    return form.about if form.package is None else f"{form.about} (needs {form.package})"


def parts(name: str) -> tuple[Part, ...]:
    """What a format shows, of which a result must have one: `segments`, `lines`, `frames`."""
    return tuple(_FORMATS[name].writers)


def values(name: str) -> tuple[str, ...]:
    """The names of values that a format shows, of which a result must have all: `arousal`, `valence`."""
    return (plane.AROUSAL, plane.VALENCE) if name in _PLANES else ()


def missing_package(name: str) -> str | None:
    """The package that a format needs, if it isn't installed."""
    package = _FORMATS[name].package
    return package if package and find_spec(package) is None else None


_HOW = {"segments": "--segments", "lines": "--words", "frames": "--granularity frame"}


def check_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` in the order of `FORMATS`, each once, if this installation can write them.

    Raises:
        ExportError: no such format, none at all, or a package that writes it isn't installed.
    """
    unique = set(names)
    if strangers := sorted(unique - set(FORMATS)):
        raise ExportError(f"no format {', '.join(map(repr, strangers))}: choose {', '.join(FORMATS)}")
    if not unique:
        raise ExportError(f"name at least one format of {', '.join(FORMATS)}")
    formats = tuple(name for name in FORMATS if name in unique)
    for name in formats:
        package = _FORMATS[name].package
        if package is None:
            continue
        try:
            import_module(package)
        except ImportError as error:
            raise ExportError(f"{name} needs {package}, which isn't installed: {install(package)}") from error
    return formats


def check_values(formats: Iterable[str], readouts: Iterable[Readout]) -> None:
    """Refuse formats that need values which none of a model's readouts, a head among them, gives.

    Raises:
        ExportError: one does.
    """
    if _PLANES & set(formats):
        every = [readout.labels for readout in readouts if readout.gives_values]
        for labels in every[:-1]:
            with suppress(ExportError):
                plane.check(labels)
                return
        plane.check(every[-1] if every else ())


def suitable(recognition: Recognition, formats: Iterable[str]) -> tuple[str, ...]:
    """Those of the formats that can show this result: without arousal and valence there is no plane."""
    names = check_formats(formats)
    return tuple(name for name in names if name not in _PLANES or plane.is_drawable(recognition))


def needs(formats: Iterable[str]) -> frozenset[Part]:
    """What a recognition should have, so that these formats show what they can: `segments`, `frames`, or both.

    Tables and pictures can do with either; tables don't ask for frames, pictures do.

    Raises:
        ExportError: as `check_formats`.
    """
    return frozenset(
        part
        for name in check_formats(formats)
        for part in _FORMATS[name].writers
        if part == "segments" or _FORMATS[name].stem
    )


def write(
    recognition: Recognition, directory: str | Path, formats: Iterable[str], *, language: Language = "en"
) -> list[Path]:
    """Write a recognition into its outputs directory in these formats, or nothing if one of them can't be written.

    Files are called segments.srt, lines.srt, frames.csv, timeline.png…, with `_channel2` for a recording's second
    channel. Each is complete or isn't there, and replaces an older one.

    Args:
        recognition: what to write.
        directory: its outputs directory; pictures show the waveform of processed_audio.wav, if it is there.
        formats: names among `FORMATS`.
        language: of the emotions where people read them; tables have the English names.

    Returns:
        The files written.

    Raises:
        ExportError: as `check_formats`, or the recognition lacks what a format shows.
        OutputsError: the disk is full, or the directory can't be read or written.
    """
    directory = Path(directory)
    job = _Input(recognition, directory / AUDIO, language)
    plan = [item for name in check_formats(formats) for item in _plan(name, recognition)]
    for file_name, writer in plan:
        with replacing(directory / file_name) as file:
            writer(job, file)
    return [directory / file_name for file_name, _ in plan]


def written(recognition: Recognition, directory: Path) -> tuple[str, ...]:
    """The formats of which an outputs directory has a file, if this installation can write them."""
    names: list[str] = []
    for name in FORMATS:
        with suppress(ExportError):
            if any((directory / file).exists() for file, _ in _plan(name, recognition)):
                names += check_formats([name])
    return tuple(names)


def _plan(name: str, recognition: Recognition) -> Iterator[tuple[str, _Write]]:
    """The files of one format that this recognition can fill, each with its writer."""
    form = _FORMATS[name]
    present = [part for part in form.writers if getattr(recognition, part) is not None]
    if not present:
        how = " or ".join(_HOW[part] for part in form.writers)
        raise ExportError(
            f"{name} needs {' or '.join(form.writers)}, which this result lacks: recognise again with {how}"
        )
    channel = recognition.recording.channel
    for part in present[:1] if form.stem else present:
        yield (
            f"{form.stem or part}{'' if channel is None else f'_channel{channel}'}{form.suffix}",
            form.writers[part],
        )
