"""`emovox recognize`."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count, zip_longest
from pathlib import Path
from typing import BinaryIO, cast, get_args

import click
from click.core import ParameterSource

from emovox.audio.files import find
from emovox.audio.recording import copy
from emovox.cli import library, parameters
from emovox.cli.progress import Progress
from emovox.cli.report import REPORTS, Row, counted, printable, relation
from emovox.cli.words import Words
from emovox.emotions import NAMES
from emovox.errors import (
    AudioError,
    DecoderError,
    EmovoxError,
    ExportError,
    OutputsError,
    UnknownEmotionError,
    UnreadableAudioError,
)
from emovox.exports import FORMATS, Language, check_values, needs
from emovox.inference.frames import RowsIn
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts
from emovox.inference.recognizer import Recognizer
from emovox.models.loading import PrecisionChoice
from emovox.notes import NOTES
from emovox.outputs import Outputs
from emovox.saving import Saving
from emovox.settings import settings

STDIN = "-"


@click.command(no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@parameters.recognition
@parameters.exports(f"Write these beside result.json: {', '.join(FORMATS)}.")
@parameters.outputs("Where results are saved; the archive is kept beside them.")
@parameters.keep
@click.option(
    "--words",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE|DIR",
    help="Lines of text with their times: .srt, .vtt, .TextGrid, or a transcriber's .json. The result has the "
    "emotion over each. Of several recordings a directory with a file for each, called like it.",
)
@click.option(
    "--archive", is_flag=True, help="Also add the results to the archive, with embeddings: see `emovox archive`."
)
@click.option("--no-save", is_flag=True, help="Only print; save nothing.")
@click.option(
    "--format", "form", type=click.Choice(list(REPORTS)), default="table", show_default=True, help="What to print."
)
@click.option(
    "--frames",
    "rows_in",
    type=click.Choice(get_args(RowsIn)),
    help="Where JSON has the rows of --granularity frame: inline, an hour of them at most, or in frames.npz, the "
    "file beside result.json.  [default: file; inline with --no-save]",
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions shown.  [default: en]")
@click.option(
    "--top", type=click.IntRange(1, len(NAMES)), default=1, show_default=True, help="Emotions shown for each file."
)
@click.option("--quiet", "-q", is_flag=True, help="Results and errors only: no progress, no summary.")
def recognize(
    paths: tuple[str, ...],
    options: Options,
    channels: str,
    formats: tuple[str, ...],
    model: str | None,
    mapping: Path | None,
    precision: PrecisionChoice,
    words: Path | None,
    archive: bool,
    no_save: bool,
    form: str,
    rows_in: RowsIn | None,
    labels: str | None,
    top: int,
    quiet: bool,
) -> int:
    """Recognise the emotion in recordings: files, directories, globs, or - for standard input.

    Audio and video in any format that FFmpeg reads. Each recording gets a directory
    outputs/outputs_YYYYMMDD_HHMMSS/ with processed_audio.wav, result.json and, when asked for, frames.npz and
    embedding.npy.

    \b
    emovox recognize call.mp3
    emovox recognize recordings/ --format csv > emotions.csv
    emovox recognize recordings/ --segments --format csv > segments.csv
    emovox recognize interview.mp4 --granularity frame --embedding
    emovox recognize call.wav --channels split --segments --export srt,png
    emovox recognize calls/ --head complaints --segments
    emovox recognize calls/ --baseline line3 --expect neutral=0.8
    emovox recognize *.wav --emotions happy,sad,neutral --labels zh --top 3
    emovox recognize recordings/ --archive --segments
    emovox recognize talk.mp4 --words talk.srt --export srt
    ffmpeg -i film.mkv -f wav - | emovox recognize - --no-save

    Exit code: 0 success, 1 some recordings failed (the others are done), 2 usage error.
    """  # noqa: D301  click needs the backspace itself
    if formats and no_save:
        raise click.UsageError("--export writes files, so it can't be used with --no-save")
    if rows_in == "file" and no_save:
        raise click.UsageError("--frames file is about a file that is saved, so it can't be used with --no-save")
    listed = bool(options.showing(needs(formats)).segments if formats and words is None else options.segments)
    if not listed and click.get_current_context().get_parameter_source("segments") == ParameterSource.DEFAULT:
        options = replace(options, segments=None)  # for the summary of what is long
    shown = options.showing(needs(formats)) if formats else options
    run_options = replace(shown, embedding=options.embedding and not no_save)  # it isn't printed
    if archive:
        library.need_library()
    started = time.monotonic()
    files, failures = _find(paths)
    texts = _words(words, files, quiet)
    recognizer = Recognizer(
        model,
        precision=precision,
        mapping=mapping,
        notice=lambda line: None if quiet else click.echo(line, err=True),
        isolate=True,
    )
    _check(recognizer, options, formats)
    outputs = None if no_save else Outputs(settings().outputs)
    language = cast("Language", labels or settings().labels)
    report = REPORTS[form](
        paths=[str(file) for file in files],
        language=language,
        top=top,
        metadata=recognizer.metadata,
        head=options.head,
        relative=options.baseline is not None,
        segments=bool(options.segments),
        listed=listed,
        lines=words is not None,
        rows_in=rows_in,
        sides=bool(options.side or options.baseline_side) or recognizer.policy.profile != "open",
        notes=tuple(name for name in NOTES if getattr(options, name) is not None),
    )
    seconds, saved = 0.0, []
    try:
        with ExitStack() as stack, Progress(len(files), shown=not quiet) as progress:
            store = stack.enter_context(library.open_archive()) if archive else None
            saving = Saving(
                outputs,
                formats,
                language,
                embeddings=options.embedding,
                sound=settings().keep == "all",
                archive=store,
            )
            report.begin()
            for file, following in zip_longest(files, files[1:]):
                if following not in {None, STDIN} and channels == "mix":
                    recognizer.expect(following, track=options.track)
                progress.begin(str(file))
                split, own = channels == "split", texts.options(file, run_options)
                for row in _recognize(recognizer, file, saving, own, progress, split=split):
                    if isinstance(row, str):
                        failures.append((str(file), row))
                        continue
                    seconds += row.recognition.recording.duration
                    saved.append(row.directory)
                    progress.clear()
                    _say(texts.oddities(file, row.recognition), quiet)
                    try:
                        report.add(row)
                    except ExportError as error:
                        failures.append((str(file), str(error)))
                progress.end()
            report.end()
        if saved and not quiet:
            relative = "" if options.baseline is None else f", {relation(options.baseline, options.expect)}"
            summary = _summary(recognizer.model, seconds, time.monotonic() - started, saved)
            click.echo(summary + relative, err=True)
    finally:
        for name, reason in failures:
            click.echo(f"Error: {printable(name)}: {reason}", err=True)
    return 1 if failures else 0


def _words(path: Path | None, files: list[str | Path], quiet: bool) -> Words:
    """The words of the recordings; those without are named, as they are missing from tables of lines."""
    words = Words(path, files)
    _say([words.missing] * bool(words.missing), quiet)
    return words


def _say(sentences: Iterable[str], quiet: bool) -> None:
    """What is odd, on standard error."""
    for sentence in () if quiet else sentences:
        click.echo(printable(sentence), err=True)


def _check(recognizer: Recognizer, options: Options, formats: Iterable[str]) -> None:
    """Refuse options once, not for every file."""
    check_values(formats, recognizer.metadata.readouts, options.head)
    if options.head is not None:
        options.head.check(recognizer.metadata)
    sides = options.side or (None,)
    recognizer.policy.demand(sides[0] or options.baseline_side, options.purpose, options.consent)
    recognizer.shift(options)


def _find(paths: Iterable[str]) -> tuple[list[str | Path], list[tuple[str, str]]]:
    """The recordings of the arguments; and the arguments without any, or that can't be searched, with reasons."""
    files: list[str | Path] = []
    failures: list[tuple[str, str]] = []

    def note(path: Path, reason: str) -> None:
        failures.append((str(path), reason))

    for argument in dict.fromkeys(paths):
        try:
            files += [STDIN] if argument == STDIN else find(argument, failed=note)
        except AudioError as error:
            failures.append((argument, error.reason))
    return files, failures


def _recognize(
    recognizer: Recognizer, file: str | Path, saving: Saving, options: Options, progress: Progress, *, split: bool
) -> Iterator[Row | str]:
    """Recognise and save a recording, or each of its channels in turn; yields why it or an export fails."""
    link = None if file == STDIN else os.path.abspath(file)  # noqa: PTH100  links stay as they are
    try:
        with _source(file, again=split) as (source, name):
            for channel in count(1) if split else [None]:
                if channel is not None and not isinstance(source, (str, Path)):
                    source.seek(0)
                with saving.begin(link=link) as save:
                    recognition = recognizer.recognize(
                        source,
                        name=name,
                        sink=progress.follow(save.sink),
                        embedding_sink=save.embedding_sink,
                        **vars(save.options(replace(options, channel=channel))),
                    )
                    recognition = save.commit(recognition)
                yield Row(str(file), recognition, save.directory)
                if save.problem is not None:
                    yield str(save.problem)
                if channel == recognition.recording.channels:
                    return
    except (OutputsError, DecoderError, UnknownEmotionError):  # the next one would fail, too
        raise
    except EmovoxError as error:
        yield error.reason if isinstance(error, AudioError) else str(error)
    except Exception as error:  # a bug must not stop the others either
        if click.get_current_context().find_root().obj:
            traceback.print_exc()
        yield f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def _source(file: str | Path, *, again: bool) -> Iterator[tuple[str | Path | BinaryIO, str | None]]:
    """What to recognise, and its name; standard input is copied to disk if it must be read `again`."""
    if file != STDIN:
        yield file, None
        return
    if sys.stdin is None:
        raise UnreadableAudioError("standard input is closed")
    if not again:
        yield sys.stdin.buffer, "stdin"
        return
    with tempfile.TemporaryFile() as buffer:
        copy(sys.stdin.buffer, buffer, name="stdin", max_bytes=settings().max_file_size)
        yield buffer, "stdin"


def _summary(model: ModelFacts, seconds: float, elapsed: float, saved: list[Path | None]) -> str:
    """One line: how much was recognised, by which model, how fast, and where it was saved."""
    paths = [directory for directory in saved if directory is not None]
    end = "" if not paths else f"; saved in {paths[0]}" if len(paths) == 1 else f"; saved in {paths[0].parent}/"
    name = f"{model.name} {model.revision} ({model.precision})"
    return f"{counted(len(saved), 'recording')}, {seconds:.1f} s of audio in {elapsed:.1f} s by {name}{end}"
