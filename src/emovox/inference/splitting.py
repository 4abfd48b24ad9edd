"""Splitting: several workers share a long recording, and the result is that of one.

`outline` reads a decoded recording and cuts it, without a model. Its windows are shared out in pieces, which any
worker can run; `join` puts the outputs together in order. The windows are those that `Recognizer.recognize` would
cut, and they are added in the same order, so the result is the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emovox.audio.decoded import Decoded
from emovox.audio.speech import Span
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.audio.windows import Window
from emovox.baselines.baseline import Baseline
from emovox.baselines.shift import Shift
from emovox.errors import EmovoxError
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.inference.recording_facts import RecordingFacts
from emovox.inference.run import InferenceRun, WindowTask
from emovox.inference.state import RunState
from emovox.models.metadata import Metadata
from emovox.models.runtime.engine import Output
from emovox.models.runtime.readout_function import Functions
from emovox.policy import Policy

if TYPE_CHECKING:
    from emovox.inference.options import StateSink

PIECE = 300 * SAMPLE_RATE  # samples in one piece, about


@dataclass(frozen=True)
class Cut:
    """The position of a window, `length` samples from `start`, and what its output counts for."""

    start: int
    length: int
    for_verdict: bool
    for_segments: bool


@dataclass(frozen=True)
class Outline:
    """Everything about a recording except its sound.

    Attributes:
        options: of its recognition.
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
        cuts: their positions.
        frame_logits: whether the model must give each frame's logits.
        frames: whether it must give each frame's embedding.
        waveform: the file of the `Decoded`, or the samples from the first cut on.
    """

    cuts: tuple[Cut, ...]
    frame_logits: bool
    frames: bool
    waveform: Path | Waveform

    @property
    def seconds(self) -> float:
        """Seconds of sound."""
        return sum(cut.length for cut in self.cuts) / SAMPLE_RATE

    def windows(self) -> list[Waveform]:
        """The windows, float32 (n,) each."""
        first, end = self.cuts[0].start, max(cut.start + cut.length for cut in self.cuts)
        samples = self.waveform
        if isinstance(samples, Path):
            samples = np.fromfile(samples, "<f4", count=end - first, offset=4 * first)
        return [samples[cut.start - first : cut.start - first + cut.length] for cut in self.cuts]

    def with_samples(self) -> "Piece":
        """The same piece with its samples in it, for a worker on another machine."""
        if not isinstance(self.waveform, Path):
            return self
        first, end = self.cuts[0].start, max(cut.start + cut.length for cut in self.cuts)
        return replace(self, waveform=np.fromfile(self.waveform, "<f4", count=end - first, offset=4 * first))


def outline(decoded: Decoded, metadata: Metadata, options: Options, policy: Policy | None = None) -> Outline:
    """Read and cut a decoded recording.

    Args:
        decoded: the recording.
        metadata: of the model that it is for.
        options: of its recognition.
        policy: as of `InferenceRun`; of what it forbids there are no cuts.

    Raises:
        PolicyError: as `Recognizer.recognize`.
    """
    run = InferenceRun(metadata, options, metadata.classes, functions={}, policy=policy)  # it runs nothing
    cuts = [
        Cut(task.window.start, len(task.window.waveform), task.for_verdict, task.for_segments)
        for task in run.tasks(decoded, None)
    ]
    return Outline(options, *run.survey(), tuple(cuts))


def pieces(outline: Outline, waveform: Path, *, samples: int = PIECE) -> Iterator[Piece]:
    """Share out the windows of a recording: consecutive ones, about `samples` in each piece."""
    options = outline.options
    cuts: list[Cut] = []
    for cut in outline.cuts:
        cuts.append(cut)
        if sum(other.length for other in cuts) >= samples:
            yield Piece(tuple(cuts), options.frame_logits, options.frame_embeddings, waveform)
            cuts = []
    if cuts:
        yield Piece(tuple(cuts), options.frame_logits, options.frame_embeddings, waveform)


def join(
    outline: Outline,
    outputs: Sequence[Output],
    metadata: Metadata,
    functions: Functions,
    classes: Sequence[str],
    model: ModelFacts,
    shift: Shift | Callable[[Baseline], Shift] | None = None,
    state_sink: "StateSink | None" = None,
    policy: Policy | None = None,
) -> Recognition:
    """Put a recording together again.

    Args:
        outline: of the recording.
        outputs: of all windows, in order.
        metadata: of the model that gave them.
        functions: of its readouts that aren't linear.
        classes: the emotions that may win, as `Recognizer.classes` gives them.
        model: its facts.
        shift: as `Recognizer.shift` gives it.
        state_sink: as of `Request`.
        policy: as of `outline`.

    Raises:
        EmovoxError: as `Recognizer.recognize`.
    """
    run = InferenceRun(
        metadata,
        outline.options,
        classes,
        functions=functions,
        shift=shift,
        state_sink=state_sink,
        policy=policy,
    )
    run.restore(outline.facts, outline.warnings, outline.spans)
    for cut, output in zip(outline.cuts, outputs, strict=True):
        window = Window(cut.start, np.empty(0, np.float32))  # the samples are no longer needed
        run.add(WindowTask(run, window, cut.for_verdict, cut.for_segments), output)
    result = run.finish(model)
    if isinstance(result, EmovoxError):
        raise result
    return result


def finish(
    state: RunState,
    options: Options,
    metadata: Metadata,
    functions: Functions,
    classes: Sequence[str],
    model: ModelFacts,
    shift: Shift | None,
    policy: Policy | None = None,
) -> Recognition:
    """Finish a recording that was recognised before its baseline was known, with the same options.

    Args:
        state: of its run.
        options: of its recognition.
        metadata: as of `join`, and the arguments after it.
        functions: likewise.
        classes: likewise.
        model: likewise.
        shift: of the baseline.
        policy: as of `InferenceRun`.
    """
    run = InferenceRun(metadata, options, classes, functions=functions, shift=shift, policy=policy)
    run.resume(state)
    result = run.finish(model)
    assert not isinstance(result, EmovoxError)  # noqa: S101  it was read to its end
    return result
