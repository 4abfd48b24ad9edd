"""`emovox recognize`."""

import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import click

from emovox.audio.files import find
from emovox.cli.progress import Progress
from emovox.cli.report import FORMATS, Row, printable
from emovox.emotions import NAMES, check_names
from emovox.errors import AudioError, EmovoxError, OutputsError, UnknownEmotionError, UnreadableAudioError
from emovox.models.loading import Wanted
from emovox.outputs import Outputs
from emovox.recognition.recognition import Granularity, ModelFacts
from emovox.recognition.recognizer import Recognizer
from emovox.settings import settings

STDIN = "-"


def _emotions(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    try:
        return None if value is None else check_names(name.strip().lower() for name in value.split(","))
    except UnknownEmotionError as error:
        raise click.BadParameter(str(error), context, parameter) from error


def _not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    if value == "":
        raise click.BadParameter("an empty name: was a variable meant?", context, parameter)
    return None if value is None else Path(value)


@click.command(no_args_is_help=True)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--granularity",
    type=click.Choice(["utterance", "frame"]),
    default="utterance",
    show_default=True,
    help="One verdict, or the scores of every frame (20 ms) as well.",
)
@click.option("--embedding", is_flag=True, help="Write embedding.npy: (1, D), or (T, D) by frame.")
@click.option(
    "--model",
    metavar="NAME|PATH",
    help="Catalog name, snapshot directory or .onnx file.  [default: auto, the best one on disk]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
    default="auto",
    show_default=True,
    help="Of the arithmetic; auto: the fastest that hears what fp32 hears here.",
)
@click.option("--outputs", callback=_not_empty, metavar="DIR", help="Where results go.  [default: outputs]")
@click.option("--no-save", is_flag=True, help="Only print; write nothing.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="table", show_default=True, help="What to print."
)
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the emotions shown.  [default: en]")
@click.option(
    "--emotions",
    metavar="NAME,NAME...",
    callback=_emotions,
    help=f"Choose only among these: {', '.join(NAMES)}.",
)
@click.option(
    "--top", type=click.IntRange(1, len(NAMES)), default=1, show_default=True, help="Emotions shown for each file."
)
@click.option("--quiet", "-q", is_flag=True, help="Results and errors only: no progress, no summary.")
def recognize(
    paths: tuple[str, ...],
    granularity: Granularity,
    embedding: bool,
    model: str | None,
    precision: Wanted,
    outputs: Path | None,
    no_save: bool,
    form: str,
    labels: str | None,
    emotions: tuple[str, ...] | None,
    top: int,
    quiet: bool,
) -> int:
    """Recognise the emotion in recordings: files, directories, globs, or - for standard input.

    Audio and video of any format FFmpeg reads. Each recording gets a directory
    outputs/outputs_YYYYMMDD_HHMMSS/ with processed_audio.wav, result.json and, when asked for, embedding.npy.

    \b
    emovox recognize call.mp3
    emovox recognize recordings/ --format csv > emotions.csv
    emovox recognize interview.mp4 --granularity frame --embedding
    emovox recognize *.wav --emotions happy,sad,neutral --labels zh --top 3
    ffmpeg -i film.mkv -f wav - | emovox recognize - --no-save

    Exit code: 0 all well, 1 some recordings failed (the others are done), 2 usage.
    """  # noqa: D301  click needs the backspace itself
    started = time.monotonic()
    files: list[str | Path] = []
    failures: list[tuple[str, str]] = []
    for argument in dict.fromkeys(paths):
        try:
            files += [STDIN] if argument == STDIN else find(argument)
        except AudioError as error:
            failures.append((argument, error.reason))
    recognizer = Recognizer(
        model, precision=precision, notice=lambda line: None if quiet else click.echo(line, err=True)
    )
    place = None if no_save else Outputs(outputs or settings().outputs)
    report = FORMATS[form](paths=[str(file) for file in files], language=labels or settings().labels, top=top)
    seconds, saved = 0.0, []
    try:
        with Progress(len(files), shown=not quiet) as progress:
            report.begin()
            for file in files:
                progress.begin(printable(str(file)))
                try:
                    with ExitStack() as stack:
                        draft = None if place is None else stack.enter_context(place.draft())
                        recognition = recognizer.recognize(
                            _stdin() if file == STDIN else file,
                            granularity=granularity,
                            embedding=embedding,
                            emotions=emotions,
                            name="stdin" if file == STDIN else None,
                            sink=progress.follow(draft.write if draft else None),
                        )
                        directory = None if draft is None else draft.publish(recognition)
                except (OutputsError, UnknownEmotionError):  # the next one would fare no better
                    raise
                except EmovoxError as error:
                    failures.append((str(file), error.reason if isinstance(error, AudioError) else str(error)))
                except Exception as error:  # what nobody thought of must not stop the others either
                    if click.get_current_context().find_root().obj:
                        traceback.print_exc()
                    failures.append(
                        (str(file), f"unexpected {type(error).__name__}: {' '.join(str(error).split())}")
                    )
                else:
                    seconds += recognition.recording.duration
                    saved.append(directory)
                    progress.clear()
                    report.add(Row(str(file), recognition, directory))
                progress.end()
            report.end()
        if not quiet:
            click.echo(_summary(recognizer.model, seconds, time.monotonic() - started, saved), err=True)
    finally:
        for name, reason in failures:
            click.echo(f"Error: {printable(name)}: {reason}", err=True)
    return 1 if failures else 0


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise UnreadableAudioError("standard input is closed")
    return sys.stdin.buffer


def _summary(model: ModelFacts, seconds: float, elapsed: float, saved: list[Path | None]) -> str:
    """One line: how much was heard, by which model, how fast, and where it is."""
    kept = [directory for directory in saved if directory is not None]
    place = "" if not kept else f"; saved in {kept[0]}" if len(kept) == 1 else f"; saved in {kept[0].parent}/"
    many = "1 recording" if len(saved) == 1 else f"{len(saved)} recordings"
    heard_by = f"{model.name} {model.revision} ({model.precision})"
    return f"{many}, {seconds:.1f} s of audio in {elapsed:.1f} s by {heard_by}{place}"
