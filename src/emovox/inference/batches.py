"""Batches: windows of one recording or of many that the model runs together, which pays on a GPU."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source
from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import DecoderError, EmovoxError, ModelError
from emovox.inference.options import Options
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.inference.run import InferenceRun, WindowTask
from emovox.models.runtime.engine import Engine

if TYPE_CHECKING:
    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder

BATCH_SECONDS = 40  # of padded waveform at once, which limits a batch's memory

Job = tuple[InferenceRun, Source | Decoded, str | None]


def in_batches(
    recordings: Iterable[Job],
    options: Options,
    engine: Engine,
    model: ModelFacts,
    decoder: "IsolatedDecoder | None",
) -> Iterator[Recognition | EmovoxError]:
    """Recognise recordings, with their windows in batches where that pays.

    Args:
        recordings: the run of each, the recording and its name; read as results are taken, one ahead.
        options: those that all share: what the model must give, channel and track.
        engine: the model.
        model: its facts, for the results.
        decoder: decodes in another process; None: in this one.

    Yields:
        For each, in order, its recognition or the error.

    Raises:
        DecoderError: no decoding process can be started.
    """
    batch: list[WindowTask] = []
    runs: deque[InferenceRun] = deque()

    def infer() -> None:
        try:
            outputs = engine.run(
                [task.window.waveform for task in batch],
                frame_logits=options.frame_logits,
                frames=options.frame_embeddings,
            )
            for task, output in zip(batch, outputs, strict=True):
                task.run.add(task, output)
        except ModelError as error:
            for task in batch:
                task.run.error = error
        batch.clear()

    for run, source, name in _ahead(recordings, options, decoder):
        runs.append(run)
        try:
            for task in run.tasks(source, name, decoder):
                lengths = [len(other.window.waveform) for other in (task, *batch)]
                if batch and max(lengths) * len(lengths) > BATCH_SECONDS * SAMPLE_RATE:
                    infer()
                batch.append(task)
                run.waiting += 1
        except DecoderError:
            raise
        except EmovoxError as error:
            run.error = error
        while runs and not (runs[0].waiting and runs[0].error is None):
            yield runs.popleft().finish(model)
    if batch:
        infer()
    while runs:
        yield runs.popleft().finish(model)


def _ahead(recordings: Iterable[Job], options: Options, decoder: "IsolatedDecoder | None") -> Iterator[Job]:
    """The recordings; if another process decodes, it is told of each next one, and decodes it ahead."""
    if decoder is None:
        yield from recordings
        return
    job = None
    for next_ in chain(recordings, [None]):
        if job is not None:  # after the last one, what a caller said to expect still holds
            if next_ is not None and isinstance(next_[1], (str, os.PathLike)):
                decoder.expect(next_[1], channel=options.channel, track=options.track)
            yield job
        job = next_
