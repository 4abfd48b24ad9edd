"""The formats: the name of each, what it shows, and what writes it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Literal

from emovox.errors import ExportError, OutputsError
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
from emovox.exports.exporter import Exporter, ExportInput, Language, Writer, check_exporter
from emovox.exports.replacement import replacing
from emovox.inference.recognition import Recognition
from emovox.inference.stored_result import Part
from emovox.models.head import Head
from emovox.models.readout import Readout
from emovox.outputs import AUDIO
from emovox.packages import install
from emovox.refusals import shortage
from emovox.registry import Registry


def _text(pieces: Callable[[ExportInput], Iterable[str]]) -> Writer:
    def write(job: ExportInput, file: BinaryIO) -> None:
        for piece in pieces(job):
            file.write(piece.encode("utf-8"))

    return write


def _drawn(kind: Literal["png", "svg"]) -> Writer:
    def write(job: ExportInput, file: BinaryIO) -> None:
        timeline.write(job.recognition, job.sound, file, kind=kind, language=job.language)

    return write


def _planed(kind: Literal["png", "svg"]) -> Writer:
    def write(job: ExportInput, file: BinaryIO) -> None:
        plane.write(job.recognition, file, kind=kind, language=job.language)

    return write


def _sound_of(job: ExportInput) -> str:
    """The file that times refer to: what was processed, if it was kept, or else the recording by its name."""
    return job.sound.name if job.sound.exists() else job.recognition.recording.name or job.sound.name


_BUILT_IN = {
    "srt": Exporter(
        title="SRT",
        about="captions: a cue for each segment, and for each line of text",
        suffix=".srt",
        media_type="application/x-subrip",
        writers={
            "segments": _text(lambda job: captions.srt(job.recognition, job.language)),
            "lines": _text(lambda job: captions.srt(job.recognition, job.language, lines=True)),
        },
    ),
    "vtt": Exporter(
        title="VTT",
        about="the same, for browsers",
        suffix=".vtt",
        media_type="text/vtt; charset=utf-8",
        writers={
            "segments": _text(lambda job: captions.vtt(job.recognition, job.language)),
            "lines": _text(lambda job: captions.vtt(job.recognition, job.language, lines=True)),
        },
    ),
    "textgrid": Exporter(
        title="TextGrid (Praat)",
        chinese="TextGrid（Praat）",
        about="Praat and ELAN: tiers of emotion, confidence, classes and values",
        suffix=".TextGrid",
        media_type="text/plain; charset=utf-8",
        writers={"segments": _text(lambda job: textgrid.pieces(job.recognition, job.language))},
    ),
    "audacity": Exporter(
        title="Audacity",
        about="a label track",
        suffix=".txt",
        media_type="text/plain; charset=utf-8",
        writers={"segments": _text(lambda job: audacity.lines(job.recognition, job.language))},
    ),
    "emotionml": Exporter(
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
    "csv": Exporter(
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
    "parquet": Exporter(
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
    "png": Exporter(
        title="PNG",
        about="the timeline: waveform, curves, segments",
        suffix=".png",
        media_type="image/png",
        writers={"segments": _drawn("png"), "frames": _drawn("png")},
        package="matplotlib",
        stem="timeline",
    ),
    "svg": Exporter(
        title="SVG",
        about="the same, to be scaled and searched",
        suffix=".svg",
        media_type="image/svg+xml",
        writers={"segments": _drawn("svg"), "frames": _drawn("svg")},
        package="matplotlib",
        stem="timeline",
    ),
    "plane": Exporter(
        title="Plane",
        chinese="情感平面",
        about="arousal over valence, and the way through it, as PNG",
        suffix=".png",
        media_type="image/png",
        writers=dict.fromkeys(("segments", "frames"), _planed("png")),
        package="matplotlib",
        stem="plane",
    ),
    "plane_svg": Exporter(
        title="Plane (SVG)",
        chinese="情感平面（SVG）",
        about="the same, to be scaled",
        suffix=".svg",
        media_type="image/svg+xml",
        writers=dict.fromkeys(("segments", "frames"), _planed("svg")),
        package="matplotlib",
        stem="plane",
    ),
    "html": Exporter(
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

EXPORTERS = Registry("emovox.exports", Exporter, _BUILT_IN, ExportError, check=check_exporter)
"""The formats, in the order in which files are written; those of plug-ins come last."""


def names() -> tuple[str, ...]:
    """The names of the formats, in the order in which files are written."""
    return tuple(EXPORTERS)


def media_types() -> dict[str, str]:
    """Of the files, by suffix without its dot."""
    types: dict[str, str] = {}
    for _, exporter in EXPORTERS.usable():
        types.setdefault(exporter.suffix.removeprefix("."), exporter.media_type)
    return types


def title(name: str, language: Language = "en") -> str:
    """What people call a format."""
    exporter = EXPORTERS[name]
    return (exporter.chinese if language == "zh" else "") or exporter.title


def about(name: str) -> str:
    """What a format holds, and what it needs, in a line of English."""
    exporter = EXPORTERS[name]
    return exporter.about if exporter.package is None else f"{exporter.about} (needs {exporter.package})"


def parts(name: str) -> tuple[Part, ...]:
    """What a format shows, of which a result must have one: `segments`, `lines`, `frames`."""
    return tuple(EXPORTERS[name].writers)


def values(name: str) -> tuple[str, ...]:
    """The names of values that a format shows, of which a result must have all: `arousal`, `valence`."""
    return (plane.AROUSAL, plane.VALENCE) if name in _PLANES else ()


def missing_package(name: str) -> str | None:
    """The package that a format needs, if it isn't installed."""
    package = EXPORTERS[name].package
    return package if package and find_spec(package) is None else None


_HOW = {"segments": "--segments", "lines": "--words", "frames": "--granularity frame"}


def check_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` in the order of `names()`, each once, if this installation can write them.

    Raises:
        ExportError: no such format, none at all, or a package that writes it isn't installed.
    """
    unique = set(names)
    if strangers := sorted(unique - set(EXPORTERS)):
        raise ExportError(f"no format {', '.join(map(repr, strangers))}: choose {', '.join(EXPORTERS)}")
    if not unique:
        raise ExportError(f"name at least one format of {', '.join(EXPORTERS)}")
    formats = tuple(name for name in EXPORTERS if name in unique)
    for name in formats:
        package = EXPORTERS[name].package
        if package is None:
            continue
        try:
            import_module(package)
        except ImportError as error:
            raise ExportError(f"{name} needs {package}, which isn't installed: {install(package)}") from error
    return formats


def check_values(formats: Iterable[str], readouts: Iterable[Readout], head: Head | None = None) -> None:
    """Refuse formats that need values which neither a model's readouts nor a head gives.

    Raises:
        ExportError: one does.
    """
    if _PLANES & set(formats):
        own = [] if head is None else [head.readout]
        every = [readout.labels for readout in (*readouts, *own) if readout.gives_values]
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
        for part in EXPORTERS[name].writers
        if part == "segments" or EXPORTERS[name].stem
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
        formats: names of formats.
        language: of the emotions where people read them; tables have the English names.

    Returns:
        The files written.

    Raises:
        ExportError: as `check_formats`, or the recognition lacks what a format shows, or its writer fails.
        OutputsError: the disk is full, or the directory can't be read or written.
    """
    directory = Path(directory)
    job = ExportInput(recognition, directory / AUDIO, language)
    plan = [item for name in check_formats(formats) for item in _plan(name, recognition)]
    for name, file_name, writer in plan:
        with replacing(directory / file_name) as file, _blamed(name, f"writing {file_name}"):
            writer(job, file)
    return [directory / file_name for _, file_name, _ in plan]


@contextmanager
def _blamed(name: str, what: str) -> Iterator[None]:
    """A block that runs a format's writer. Whatever goes wrong is the format's fault, but for want of room."""
    try:
        yield
    except (ExportError, OutputsError):
        raise
    except (Exception, SystemExit) as error:
        if (refusal := shortage(error)) is not None:
            raise refusal from error
        raise EXPORTERS.fault(name, what, error) from error


def written(recognition: Recognition, directory: Path) -> tuple[str, ...]:
    """The formats of which an outputs directory has a file, if this installation can write them."""
    names: list[str] = []
    for name in EXPORTERS:
        with suppress(ExportError):
            if any((directory / file).exists() for _, file, _ in _plan(name, recognition)):
                names += check_formats([name])
    return tuple(names)


def _plan(name: str, recognition: Recognition) -> Iterator[tuple[str, str, Writer]]:
    """The format, and each of its files that this recognition can fill with its writer."""
    exporter = EXPORTERS[name]
    present = [part for part in exporter.writers if getattr(recognition, part) is not None]
    if not present:
        how = " or ".join(_HOW[part] for part in exporter.writers)
        raise ExportError(
            f"{name} needs {' or '.join(exporter.writers)}, which this result lacks: recognise again with {how}"
        )
    channel = recognition.recording.channel
    for part in present[:1] if exporter.stem else present:
        yield (
            name,
            f"{exporter.stem or part}{'' if channel is None else f'_channel{channel}'}{exporter.suffix}",
            exporter.writers[part],
        )
