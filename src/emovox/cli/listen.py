"""`emovox listen`."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import cast

import click
import numpy as np

from emovox.audio.microphone import Microphone, microphones
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.cli import library, parameters
from emovox.cli.report import relation
from emovox.cli.screen import JsonLines, Lines, Screen
from emovox.cli.sources import FileSound, PipeSound, Sound
from emovox.emotions import NAMES
from emovox.errors import EmovoxError, TooShortError
from emovox.exports import FORMATS, Language, check_values
from emovox.inference.live import Event, Live
from emovox.inference.options import Options, Sink
from emovox.inference.recognition import WARNINGS
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs
from emovox.policy import SIDES, Sides
from emovox.saving import Save, Saving
from emovox.settings import settings

STDIN = "-"


@click.command()
@click.argument("source", required=False, metavar="[FILE|-]")
@click.option("--device", metavar="NUMBER|NAME", help="The microphone.  [default: the system's choice]")
@click.option("--devices", is_flag=True, help="List the microphones and exit.")
@click.option(
    "--rate",
    type=click.IntRange(1_000, 768_000),
    default=SAMPLE_RATE,
    show_default=True,
    help="Sample rate of -, in Hz.",
)
@click.option("--fast", is_flag=True, help="Process a file or - as fast as possible, not in real time.")
@click.option(
    "--duration", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Stop after this much audio."
)
@parameters.model("As for `emovox recognize`.")
@click.option("--labels", type=click.Choice(["en", "zh"]), help="Language of the screen.  [default: en]")
@click.option(
    "--emotions",
    metavar="NAME,NAME...",
    callback=parameters.emotions,
    help=f"Choose only among these: {', '.join(NAMES)}.",
)
@click.option(
    "--head",
    metavar="NAME|PATH",
    help="Also apply this trained head; its result is on the screen, in --jsonl and in the saved result.",
)
@parameters.option(
    "baseline",
    help="Recognise emotions relative to this baseline, made with `emovox baseline fit`: recordings of the same "
    "voice, line or room. self: relative to what was said so far, from the eighth segment on; "
    "one voice is assumed.",
)
@parameters.option("expect")
@parameters.option(
    "side",
    metavar="SIDE",
    help=f"Whose voice it is: {', '.join(SIDES)}. The policy (setting `policy`) may allow nothing but the talk "
    "time of workers and pupils.",
)
@parameters.option("purpose")
@parameters.option("consent")
@parameters.exports(f"Write these beside result.json: {', '.join(FORMATS)}.")
@parameters.outputs("Where the result is saved; the archive is kept beside it.")
@parameters.keep
@click.option(
    "--archive", is_flag=True, help="Also add the result to the archive, with its embedding: see `emovox archive`."
)
@click.option("--no-save", is_flag=True, help="Save nothing.")
@click.option("--jsonl", is_flag=True, help="Print every event as a line of JSON instead.")
@click.option(
    "--events",
    type=click.Choice(["2"]),
    expose_value=False,
    help="Version of the events of --jsonl; there is no other now.",
)
def listen(
    source: str | None,
    device: str | None,
    devices: bool,
    rate: int,
    fast: bool,
    duration: float | None,
    model: str | None,
    mapping: Path | None,
    labels: str | None,
    emotions: tuple[str, ...] | None,
    head: str | None,
    baseline: str | None,
    expect: dict[str, float] | None,
    side: Sides | None,
    purpose: str | None,
    consent: str | None,
    formats: tuple[str, ...],
    archive: bool,
    no_save: bool,
    jsonl: bool,
) -> None:
    """Recognise emotion live: from the microphone, a file, or - (samples on standard input).

    Shows the scores four times a second, and a line whenever the emotion changes. Ctrl-C stops. The whole
    recording is then recognised, and saved with its segments and frames in outputs/outputs_YYYYMMDD_HHMMSS/.

    \b
    emovox listen
    emovox listen --devices
    emovox listen interview.mp3 --labels zh
    emovox listen --archive --export srt,png
    emovox listen call.wav --baseline line3
    arecord -t raw -f S16_LE -r 16000 -c 1 | emovox listen - --rate 16000
    emovox listen call.wav --fast --jsonl --no-save > events.jsonl

    The microphone needs the package sounddevice. Standard input must be 16-bit little-endian samples, one channel.
    """  # noqa: D301  click needs the backspace itself
    if devices:
        for line in microphones() or ["no microphone found"]:
            click.echo(line)
        return
    if source is not None and device is not None:
        raise click.UsageError("--device chooses a microphone: give it or a file, not both")
    if fast and source is None:
        raise click.UsageError("--fast is for a file or -: a microphone is always in real time")
    if no_save and (formats or archive):
        raise click.UsageError("--export and --archive save results, so they can't be used with --no-save")
    language = cast("Language", labels or settings().labels)
    options = Options.of(
        granularity="frame",
        segments=True,
        emotions=emotions,
        head=head,
        baseline=baseline,
        expect=expect,
        side=side,
        purpose=purpose,
        consent=consent,
    )
    if archive:
        library.need_library()
    with ExitStack() as stack:
        outputs = None if no_save else Outputs(settings().outputs)
        recognizer = Recognizer(model, mapping=mapping, notice=lambda line: click.echo(line, err=True))
        check_values(formats, recognizer.metadata.readouts, options.head)
        sound = _open(source, device, rate, fast)
        stack.callback(sound.close)
        saving = Saving(
            outputs,
            formats,
            language,
            sound=settings().keep == "all",
            archive=stack.enter_context(library.open_archive()) if archive else None,
        )
        save = stack.enter_context(saving.begin())
        ear = _Ear(save.live_sink)
        live = recognizer.live(
            sample_rate=sound.rate,
            emotions=emotions,
            head=options.head,
            baseline=options.baseline,
            expect=options.expect,
            side=options.side,
            purpose=options.purpose,
            consent=options.consent,
            sink=ear.take,
        )
        limit = float("inf") if no_save else settings().max_duration  # what can be recognised afterwards
        nine = recognizer.metadata.emotions is not None
        display: Lines = Screen(language, nine=nine) if sys.stdout.isatty() else Lines(language)
        if jsonl:
            display = JsonLines(language, lambda: live.baseline)
        stop = stack.enter_context(_stopping())
        if not jsonl:
            relative = "" if options.baseline is None else f", {relation(options.baseline, options.expect)}"
            click.echo(f"listening to {sound.name} with {recognizer.model.name}{relative}; Ctrl-C stops", err=True)
        trouble: Exception | None = None
        with _rescuing(save):
            try:
                with display:
                    _listen(sound, live, ear, display, stop, min(duration or limit, limit), catch_up=not fast)
            except (OSError, EmovoxError) as error:  # no reader, a broken file, a full disk: keep what there is
                trouble = error
            sound.close()
            _warn(live)
            if duration is None and ear.seconds >= limit:
                click.echo(f"stopped at the limit of {limit:g} s (EMOVOX_MAX_DURATION)", err=True)
            if not no_save and ear.seconds:
                directory = _save(recognizer, save, sound.name, options)
                with suppress(OSError):
                    click.echo("too short to be saved" if directory is None else f"saved in {directory}", err=True)
                trouble = trouble or save.problem
        if trouble is not None:
            raise trouble


def _warn(live: Live) -> None:
    with suppress(OSError):
        for code in live.warnings:
            click.echo(f"{code}: {WARNINGS[code]}", err=True)


class _Ear:
    """Follows the sound.

    Attributes:
        seconds: so far.
        peak: since it was last asked for, full scale 1.
    """

    def __init__(self, sink: Sink | None) -> None:
        self.seconds = 0.0
        self.peak = 0.0
        self._sink = sink

    def take(self, block: Waveform) -> None:
        if self._sink is not None:
            self._sink(block)
        self.seconds += len(block) / SAMPLE_RATE
        self.peak = max(self.peak, float(np.abs(block).max()))


def _open(source: str | None, device: str | None, rate: int, fast: bool) -> Sound:
    if source is None:
        return Microphone(device)
    return PipeSound(rate) if source == STDIN else FileSound(Path(source), fast=fast)


def _listen(
    sound: Sound,
    live: Live,
    ear: _Ear,
    display: Lines,
    stopped: Callable[[], bool],
    seconds: float,
    *,
    catch_up: bool,
) -> None:
    """Listen until the sound ends, `seconds` of it have passed, or somebody stops it.

    Each round takes all that came in during the last one. If the model is slower than the sound, rounds are long
    and only their ends go to the model: events are fewer, but never later than one run of the model.
    """
    left = seconds * sound.rate
    while left >= 1 and not stopped():
        samples = sound.read()
        if samples is None:
            break
        samples = samples[: int(min(left, len(samples)))]
        left -= len(samples)
        _show(display, live.push(samples, catch_up=catch_up), ear, sound)
    _show(display, live.finish(), ear, sound)


def _show(display: Lines, events: list[Event], ear: _Ear, sound: Sound) -> None:
    display.show(events, seconds=ear.seconds, peak=ear.peak, lost=getattr(sound, "overflows", 0))
    ear.peak = 0.0


def _save(recognizer: Recognizer, save: Save, name: str, options: Options) -> Path | None:
    """Recognise the whole as a recording; None if it is too short to be one."""
    try:
        recognition = recognizer.recognize(
            save.finish_audio(), name=name, embedding_sink=save.embedding_sink, **vars(save.options(options))
        )
    except TooShortError:
        return None
    save.commit(recognition)
    return save.directory


@contextmanager
def _rescuing(save: Save) -> Iterator[None]:
    """Keep the sound, and say where, if it can't be recognised: it won't be spoken again."""
    try:
        yield
    except BaseException:
        path = save.rescue()
        if path is not None:
            with suppress(OSError):
                click.echo(f"not recognised; the recording is saved in {path}: emovox recognize {path}", err=True)
        raise


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Whether to stop: on Ctrl-C, SIGTERM, or when the terminal was closed. A second Ctrl-C interrupts."""
    stopping = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal stopping
        if number not in {signal.SIGINT, signal.SIGTERM}:
            _abandon_terminal()
        elif stopping:
            raise KeyboardInterrupt
        stopping = True

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in (getattr(signal, name) for name in names)}
    caught = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # nohup
    for number in caught:
        signal.signal(number, stop)
    try:
        yield lambda: stopping
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)


def _abandon_terminal() -> None:
    """Discard further output: the terminal is gone, and the recording must be saved all the same."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        with suppress(OSError):
            if os.isatty(number):
                os.dup2(nowhere, number)
    os.close(nowhere)
