"""The recognizer: recordings in, recognitions out, through one loaded model."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, overload

import numpy as np

from emovox.audio.decoding import Decoding, decode
from emovox.audio.quality import WARNINGS
from emovox.audio.recording import Recording, Source, open_recording
from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.audio.windows import cut
from emovox.emotions import NAMES, check_names
from emovox.errors import EmovoxError, ModelError, UnknownEmotionError
from emovox.models.loading import Wanted, load
from emovox.models.scores import certain, to_scores
from emovox.models.session import Device
from emovox.models.store import Notice
from emovox.recognition.pooling import Pool
from emovox.recognition.recognition import (
    NO_HEAD,
    Frames,
    Granularity,
    ModelFacts,
    Recognition,
    RecordingFacts,
    format_timestamp,
)
from emovox.settings import settings
from emovox.version import __version__

BATCH_SECONDS = 40  # of padded waveform that runs at once, which bounds the memory of a batch

Sink = Callable[[Waveform], None]
"""Takes the blocks of waveform that the model hears, in order."""


@dataclass
class _Job:
    """One recording on its way through: its windows may wait in a batch with those of others."""

    pool: Pool = field(default_factory=Pool)
    waiting: int = 0
    facts: RecordingFacts | None = None
    warnings: list[str] = field(default_factory=list)
    error: EmovoxError | None = None


class Recognizer:
    """A loaded model that recognises recordings. Safe to share between threads.

    Example:
        >>> recognizer = Recognizer()
        >>> recognizer.recognize("examples/emodb_03b01Wa_angry.flac").emotion
        'angry'
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        precision: Wanted = "auto",
        device: Device = "auto",
        notice: Notice = lambda _: None,
    ) -> None:
        """Load a model.

        Args:
            model: a catalog name, an .onnx file, a snapshot's directory, or `auto`, which is
                emotion2vec_plus_large when it is on disk and the bundled model otherwise; by default the setting.
            precision: `fp32`, `bf16`, `int8`, or `auto`: the fastest that hears what fp32 hears on this machine.
            device: `cpu`, `cuda`, or `auto`, which takes a GPU when ONNX Runtime has one.
            notice: is told, in a sentence, of what takes long and is done once, as converting a snapshot is.

        Raises:
            UnknownModelError: no such name or path.
            NotInstalledError: a model of the catalog that must be pulled first.
            ModelError: it can't be read, converted or run here, or not in this precision.
        """
        self._engine = load(model or settings().model, precision=precision, device=device, notice=notice)
        self.metadata = self._engine.metadata

    @property
    def model(self) -> ModelFacts:
        """Name, revision, precision and checksum of the model, as they stand in results."""
        facts = self.metadata
        return ModelFacts(
            name=facts.name,
            revision=facts.revision,
            precision=self._engine.precision,
            checksum=self._engine.checksum,
        )

    def recognize(
        self,
        recording: Source,
        *,
        granularity: Granularity = "utterance",
        embedding: bool = False,
        emotions: Collection[str] | None = None,
        name: str | None = None,
        sink: Sink | None = None,
    ) -> Recognition:
        """Recognise one recording.

        Args:
            recording: a path, encoded bytes, a binary file object, or (array, sample rate).
            granularity: `frame` adds the scores of every frame.
            embedding: give the features too: float32 (1, D), or (T, D) with granularity `frame`.
            emotions: the classes that may win; the others are masked before the softmax.
            name: what to call the recording in the result; by default its file name.
            sink: is given the waveform, block by block, while it is decoded.

        Raises:
            AudioError: the recording can't be used; the subclasses say why.
            UnknownEmotionError: a name in `emotions` is wrong, or the model was taught none of them.
        """
        stream = self._stream([(recording, name, sink)], granularity, embedding, emotions)
        result = next(stream)
        if isinstance(result, EmovoxError):
            raise result
        return result

    @overload
    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        granularity: Granularity = ...,
        embedding: bool = ...,
        emotions: Collection[str] | None = ...,
        on_error: Literal["raise"] = ...,
    ) -> Iterator[Recognition]: ...

    @overload
    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        granularity: Granularity = ...,
        embedding: bool = ...,
        emotions: Collection[str] | None = ...,
        on_error: Literal["return"],
    ) -> Iterator[Recognition | EmovoxError]: ...

    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        granularity: Granularity = "utterance",
        embedding: bool = False,
        emotions: Collection[str] | None = None,
        on_error: Literal["raise", "return"] = "raise",
    ) -> Iterator[Recognition | EmovoxError]:
        """Recognise many recordings, each as it would be alone; yields in order.

        Their windows go to the model together, which runs them in batches where that pays: on a GPU.

        Args:
            recordings: any iterable; it is read as results are taken.
            granularity: as for `recognize`.
            embedding: as for `recognize`.
            emotions: as for `recognize`.
            on_error: `return` yields the exception in the place of a recording that can't be used and goes on.

        Raises:
            AudioError: a recording can't be used, with `on_error="raise"`.
            UnknownEmotionError: as for `recognize`.
        """
        if on_error not in {"raise", "return"}:
            raise ValueError(f"on_error {on_error!r}: choose raise or return")
        jobs = ((recording, None, None) for recording in recordings)
        for result in self._stream(jobs, granularity, embedding, emotions):
            if isinstance(result, EmovoxError) and on_error == "raise":
                raise result
            yield result

    def _stream(
        self,
        recordings: Iterable[tuple[Source, str | None, Sink | None]],
        granularity: Granularity,
        embedding: bool,
        emotions: Collection[str] | None,
    ) -> Iterator[Recognition | EmovoxError]:
        if granularity not in {"utterance", "frame"}:
            raise ValueError(f"granularity {granularity!r}: choose utterance or frame")
        classes = self._classes(emotions)
        by_frame = granularity == "frame"
        batch: list[tuple[_Job, Waveform]] = []
        jobs: deque[_Job] = deque()

        def run() -> None:
            try:
                outputs = self._engine.run(
                    [window for _, window in batch], frame_logits=by_frame, frames=by_frame and embedding
                )
                for (job, _), output in zip(batch, outputs, strict=True):
                    job.pool.add(output)
                    job.waiting -= 1
            except ModelError as error:
                for job, _ in batch:
                    job.error = error
            batch.clear()

        for source, name, sink in recordings:
            job = _Job()
            jobs.append(job)
            try:
                for window in self._windows(job, source, name, sink):
                    longest = max([len(window), *(len(other) for _, other in batch)])
                    if batch and longest * (len(batch) + 1) > BATCH_SECONDS * SAMPLE_RATE:
                        run()
                    batch.append((job, window))
                    job.waiting += 1
            except EmovoxError as error:
                job.error = error
            while jobs and not (jobs[0].waiting and jobs[0].error is None):
                yield self._finish(jobs.popleft(), classes, by_frame, embedding)
        if batch:
            run()
        while jobs:
            yield self._finish(jobs.popleft(), classes, by_frame, embedding)

    def _classes(self, emotions: Collection[str] | None) -> tuple[str, ...]:
        if emotions is None:
            return self.metadata.classes
        if not self.metadata.classes:
            raise UnknownEmotionError(
                f"the model {self.metadata.name} gives embeddings only: it knows no emotions"
            )
        if isinstance(emotions, str):
            raise UnknownEmotionError("emotions is a list of names, not one text")
        wanted = check_names(emotions)
        classes = tuple(name for name in wanted if name in self.metadata.classes)
        if not classes:
            raise UnknownEmotionError(
                f"the model {self.metadata.name} was not taught {', '.join(wanted)}; "
                f"it knows {', '.join(self.metadata.classes)}"
            )
        return classes

    def _windows(self, job: _Job, source: Source, name: str | None, sink: Sink | None) -> Iterator[Waveform]:
        limits = settings()
        hop = self.metadata.hop
        with (
            open_recording(source, name=name, max_bytes=limits.max_file_size) as recording,
            decode(recording, max_seconds=limits.max_duration) as decoding,
        ):
            blocks = decoding.blocks() if sink is None else _tee(decoding.blocks(), sink)
            yield from cut(blocks, hop=hop, overlap=max(0, self.metadata.minimum_samples - hop))
            job.facts, job.warnings = _facts(recording, decoding), _warnings(decoding)

    def _finish(
        self, job: _Job, classes: tuple[str, ...], by_frame: bool, embedding: bool
    ) -> Recognition | EmovoxError:
        if job.error is not None or job.facts is None:
            return job.error or EmovoxError("the recording was not read to its end")
        pool, metadata = job.pool, self.metadata
        warnings = [*job.warnings, *([] if metadata.classes else [NO_HEAD])]
        unknown = "silence" in warnings or NO_HEAD in warnings
        scores = certain("unknown") if unknown else to_scores(pool.logits, classes)
        frames = None
        if by_frame:
            curve = np.tile(scores, (pool.frame_count, 1)) if unknown else to_scores(pool.frame_logits, classes)
            frames = Frames(
                hop=metadata.hop / metadata.sample_rate,
                first_centre=metadata.first_centre,
                labels=list(NAMES),
                scores=curve.astype(np.float32),
            )
        features = None
        if embedding:
            features = pool.frames if by_frame else pool.embedding
        now = datetime.now(timezone.utc).astimezone()
        best = int(scores.argmax())
        return Recognition(
            emotion=NAMES[best],
            confidence=float(scores[best]),
            scores=dict(zip(NAMES, scores.tolist(), strict=True)),
            granularity="frame" if by_frame else "utterance",
            timestamp=format_timestamp(now),
            schema=1,
            created_at=now,
            recording=job.facts,
            model=self.model,
            emovox=__version__,
            warnings=warnings,
            frames=frames,
            embedding=features,
        )


def _tee(blocks: Iterator[Waveform], sink: Sink) -> Iterator[Waveform]:
    for block in blocks:
        sink(block)
        yield block


def _facts(recording: Recording, decoding: Decoding) -> RecordingFacts:
    return RecordingFacts(
        name=recording.name,
        sha256=recording.sha256,
        duration=decoding.samples / SAMPLE_RATE,
        sample_rate=decoding.sample_rate,
        channels=decoding.channels,
        codec=decoding.codec,
    )


def _warnings(decoding: Decoding) -> list[str]:
    found = set(decoding.level.warnings(decoding.samples))
    if decoding.truncated:  # what broke off leaves a damaged packet at the end, which says nothing more
        found.add("truncated")
    elif decoding.damaged:
        found.add("damaged")
    return [code for code in WARNINGS if code in found]
