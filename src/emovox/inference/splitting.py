"""Splitting: one long recording heard by several workers, a piece each, with the result of one.

`survey` reads a decoded recording and cuts it, without a model. Its windows are shared out in pieces, each heard
anywhere; `join` puts the outputs together in order. The windows are those that `Recognizer.recognize` would cut,
and they are added in the same order, so the result is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emovox.audio.decoded import Decoded
from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.audio.windows import Window
from emovox.errors import EmovoxError
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts, Recognition, RecordingFacts
from emovox.inference.run import InferenceRun, WindowTask
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Output

PIECE = 300 * SAMPLE_RATE  # samples of the windows of one piece, about


@dataclass(frozen=True)
class Cut:
    """A window's place: `length` samples from `start`, and what its output counts for."""

    start: int
    length: int
    for_verdict: bool
    for_segments: bool


@dataclass(frozen=True)
class Survey:
    """All of a recording but what the model hears.

    Attributes:
        options: what is wanted.
        facts: of the recording.
        warnings: codes.
        spans: of speech.
        cuts: the windows, in order.
    """

    options: Options
    facts: RecordingFacts
    warnings: tuple[str, ...]
    spans: tuple[Span, ...]
    cuts: tuple[Cut, ...]


@dataclass(frozen=True)
class Piece:
    """Some windows of a recording.

    Attributes:
        cuts: their places.
        frame_logits: whether each frame's logits are wanted.
        frames: whether each frame's embedding is.
        waveform: the file that `Decoded` describes, or the samples from the first cut on.
    """

    cuts: tuple[Cut, ...]
    frame_logits: bool
    frames: bool
    waveform: Path | Waveform

    @property
    def seconds(self) -> float:
        """Of sound in it."""
        return sum(cut.length for cut in self.cuts) / SAMPLE_RATE

    def windows(self) -> list[Waveform]:
        """The windows, float32 (n,) each."""
        first, end = self.cuts[0].start, max(cut.start + cut.length for cut in self.cuts)
        samples = self.waveform
        if isinstance(samples, Path):
            samples = np.fromfile(samples, "<f4", count=end - first, offset=4 * first)
        return [samples[cut.start - first : cut.start - first + cut.length] for cut in self.cuts]

    def carried(self) -> "Piece":
        """The same with its samples in it, for a worker on another machine."""
        if not isinstance(self.waveform, Path):
            return self
        first, end = self.cuts[0].start, max(cut.start + cut.length for cut in self.cuts)
        return replace(self, waveform=np.fromfile(self.waveform, "<f4", count=end - first, offset=4 * first))


def survey(decoded: Decoded, metadata: Metadata, options: Options) -> Survey:
    """Read and cut a decoded recording.

    Args:
        decoded: the recording.
        metadata: of the model that will hear it.
        options: what is wanted.
    """
    run = InferenceRun(metadata, options, metadata.classes)
    cuts = [
        Cut(task.window.start, len(task.window.waveform), task.for_verdict, task.for_segments)
        for task in run.tasks(decoded, None)
    ]
    facts, warnings, spans = run.found()
    return Survey(options, facts, warnings, spans, tuple(cuts))


def pieces(surveyed: Survey, waveform: Path, *, samples: int = PIECE) -> Iterator[Piece]:
    """Share out the windows of a recording whose waveform lies in a file: consecutive ones, `samples` together."""
    options = surveyed.options
    some: list[Cut] = []
    for cut in surveyed.cuts:
        some.append(cut)
        if sum(other.length for other in some) >= samples:
            yield Piece(tuple(some), options.frame_logits, options.frame_embeddings, waveform)
            some = []
    if some:
        yield Piece(tuple(some), options.frame_logits, options.frame_embeddings, waveform)


def join(
    surveyed: Survey, outputs: Sequence[Output], metadata: Metadata, classes: Sequence[str], model: ModelFacts
) -> Recognition:
    """Put a recording together again.

    Args:
        surveyed: what `survey` found.
        outputs: of all its windows, in order.
        metadata: of the model that heard them.
        classes: the emotions that may win, as `Recognizer.classes` gives them.
        model: its facts.

    Raises:
        EmovoxError: as `Recognizer.recognize`.
    """
    run = InferenceRun(metadata, surveyed.options, classes)
    run.know(surveyed.facts, surveyed.warnings, surveyed.spans)
    for cut, output in zip(surveyed.cuts, outputs, strict=True):
        window = Window(cut.start, np.empty(0, np.float32))  # its samples have done their part
        run.add(WindowTask(run, window, cut.for_verdict, cut.for_segments), output)
    result = run.finish(model)
    if isinstance(result, EmovoxError):
        raise result
    return result
