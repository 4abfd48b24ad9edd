"""The recognizer: recordings in, recognitions out, with one loaded model."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, overload

from emovox.audio.recording import Source
from emovox.audio.waveform import SAMPLE_RATE
from emovox.baselines.baseline import Baseline
from emovox.baselines.shift import Shift, Shifting, expectation, movable
from emovox.emotions import check_names
from emovox.errors import EmovoxError, OptionsError, PolicyError, UnknownEmotionError
from emovox.inference.batches import BATCH_SECONDS, in_batches
from emovox.inference.live import Live
from emovox.inference.options import EmbeddingSink, Options, Request, Sink, described
from emovox.inference.recognition import ModelFacts, Recognition
from emovox.inference.run import InferenceRun
from emovox.inference.splitting import Piece
from emovox.models.converted.store import Notice
from emovox.models.loading import PrecisionChoice, load
from emovox.models.metadata import Metadata
from emovox.models.own_head import OwnHead, read_own_head, read_weights
from emovox.models.reference import with_reference
from emovox.models.runtime.engine import Floats, Output
from emovox.models.runtime.session import Device
from emovox.policy import Policy, side_of
from emovox.policy import policy as the_policy
from emovox.settings import settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder
    from emovox.inference.options import LiveArguments, OptionArguments


class Recognizer:
    """A loaded model that recognises recordings. Safe to share between threads.

    Examples:
        >>> recognizer = Recognizer()
        >>> recognizer.recognize("examples/emodb_03b01Wa_angry.flac").emotion
        'angry'
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        precision: PrecisionChoice = "auto",
        device: Device = "auto",
        mapping: str | Path | Mapping[str, str] | None = None,
        notice: Notice = lambda _: None,
        isolate: bool = False,
        policy: Policy | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: a catalog name, hf:OWNER/NAME, an .onnx file, a snapshot's directory, or `auto`, which is
                emotion2vec_plus_large when it is on disk and the bundled model otherwise; by default the setting.
            precision: `fp32`, `bf16`, `int8`, or `auto`: the fastest that agrees with fp32 on this machine.
            device: `cpu`, `cuda`, or `auto`, which is a GPU if ONNX Runtime has one.
            mapping: which of the nine the model's labels are, `{"hap": "happy"}` or a JSON file of that; by
                default the setting `map`, if this is the model of the setting `model`.
            notice: gets a sentence before anything long that is done only once, such as converting a snapshot.
            isolate: decode in separate processes, for recordings from strangers: one that makes FFmpeg crash, hang
                or eat memory is then a BrokenDecoderError, and not the end of this program. The processes see
                only those environment variables that Python needs, and end with the recognizer or the program.
            policy: decides of whose voice anything may be inferred; by default the setting's.

        Raises:
            UnknownModelError: no such name or path.
            NotInstalledError: the model must be pulled first.
            OptionsError: the mapping can't be read, or has a label that the model hasn't.
            UnknownEmotionError: the mapping has a name that isn't one of the nine.
            ModelError: it can't be read, converted or run here, or not in this precision.
            SettingsError: the policy can't be read.
        """
        self.policy = policy or the_policy()
        self._decoder = _isolated_decoder() if isolate else None  # it starts while the model is loaded
        self._engine = load(
            model or settings().model, precision=precision, device=device, mapping=mapping, notice=notice
        )
        self._notice = notice
        self.metadata, self.functions = self._engine.metadata, self._engine.functions

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to another process, or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("a Recognizer can't be pickled or copied: make one in each process that recognises")

    @property
    def model(self) -> ModelFacts:
        """Name, revision, precision and checksum of the model, as in results."""
        facts, readout = self.metadata, self.metadata.emotions
        return ModelFacts(
            name=facts.name,
            revision=facts.revision,
            embedding_revision=facts.embedding_revision,
            precision=self._engine.precision,
            checksum=self._engine.checksum,
            emotions=None if readout is None or readout.is_nine else readout.emotions,
        )

    @property
    def own_head(self) -> OwnHead | None:
        """The model's own head, from which a trained head may start; None if it has none."""
        return read_own_head(self._engine.path)

    def recognize(
        self,
        recording: Source,
        *,
        name: str | None = None,
        sink: Sink | None = None,
        embedding_sink: EmbeddingSink | None = None,
        **arguments: "Unpack[OptionArguments]",
    ) -> Recognition:
        """Recognise one recording.

        Args:
            recording: a path, encoded bytes, a binary file object, or (array, sample rate).
            name: of the recording in the result; by default its file name.
            sink: gets the waveform, block by block, while it is decoded.
            embedding_sink: gets the embeddings of frames as they come, instead of the result: hours of them are
                gigabytes.
            **arguments: the options, all optional:
                {options}

        Raises:
            AudioError: the recording can't be used; the subclasses say why.
            DecoderError: it is to be decoded in another process, and none can be started.
            HeadError: there is no such head, or it was trained on another model.
            BaselineError: there is no such baseline, it is another model's, or nothing of this model can be moved.
            OptionsError: the value of an option isn't valid.
            PolicyError: something must be declared of it, or sides are said of channels that there aren't.
            UnknownEmotionError: a name in `emotions` is wrong, or the model knows none of them.
        """
        request = Request(recording, Options.of(**arguments), name, sink, embedding_sink)
        [result] = self.recognize_together([request])
        if isinstance(result, EmovoxError):
            raise result
        return result

    recognize.__doc__ = (recognize.__doc__ or "").replace("{options}", described(indent=16))

    @overload
    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        on_error: Literal["raise"] = ...,
        **arguments: "Unpack[OptionArguments]",
    ) -> Iterator[Recognition]: ...

    @overload
    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        on_error: Literal["return"],
        **arguments: "Unpack[OptionArguments]",
    ) -> Iterator[Recognition | EmovoxError]: ...

    def recognize_many(
        self,
        recordings: Iterable[Source],
        *,
        on_error: Literal["raise", "return"] = "raise",
        **arguments: "Unpack[OptionArguments]",
    ) -> Iterator[Recognition | EmovoxError]:
        """Recognise many recordings, each with the same result as alone; yields in order.

        Their windows go to the model together, in batches where that pays: on a GPU.

        Args:
            recordings: any iterable; it is read as results are taken, one ahead.
            on_error: `return` yields the exception of a recording that can't be used instead of raising it.
            **arguments: the options, as for `recognize`.

        Raises:
            AudioError: a recording can't be used, with `on_error="raise"`.
            DecoderError: no decoding process can be started, not even for the next recording.
            BaselineError: as for `recognize`.
            HeadError: as for `recognize`.
            UnknownEmotionError: as for `recognize`.
        """
        if on_error not in {"raise", "return"}:
            raise OptionsError(f"on_error {on_error!r}: choose raise or return")
        options = Options.of(**arguments)
        classes, moved = self.classes(options.emotions), self.shift(options)
        jobs = (
            (
                InferenceRun(
                    self.metadata, options, classes, functions=self.functions, shift=moved, policy=self.policy
                ),
                recording,
                None,
            )
            for recording in recordings
        )
        for result in in_batches(jobs, options, self._engine, self.model, self._decoder):
            if isinstance(result, EmovoxError) and on_error == "raise":
                raise result
            yield result

    def live(
        self,
        *,
        sample_rate: float = SAMPLE_RATE,
        sink: Sink | None = None,
        **arguments: "Unpack[LiveArguments]",
    ) -> Live:
        """Begin a live stream: push sound as it comes, and get events.

        Args:
            sample_rate: of the samples to be pushed, Hz.
            sink: gets the waveform that the model gets, at 16 kHz.
            **arguments: of the options of `recognize` emotions, head, baseline, expect, side, purpose and consent.
                One voice is assumed in a stream: with the baseline `self` it is relative to its own segments, from
                the eighth on. If the policy allows only talk time of the side, events say when there is speech.

        Raises:
            BaselineError: as for `recognize`.
            HeadError: as for `recognize`.
            ModelError: the model gives embeddings only, and no head is used.
            PolicyError: something must be declared of it, or several sides are.
            UnreadableAudioError: the sample rate isn't supported.
            UnknownEmotionError: as for `recognize`.
        """
        options = Options.of(**arguments)
        if len(options.side or ()) > 1:
            raise PolicyError("a stream is one voice, with all its channels together: declare one side")
        side = side_of(options.side, None, 1)
        return Live(
            self._engine,
            self.classes(options.emotions if self.metadata.classes else None),
            sample_rate=sample_rate,
            head=options.head,
            shift=self.shift(options),
            sink=sink,
            ruling=self.policy.rule(side, options.purpose, options.consent),
            side=side,
        )

    def expect(self, recording: Source, *, channel: int | None = None, track: int | None = None) -> None:
        """Announce the recording after the next one: if decoding is isolated, its file is decoded ahead.

        `recognize_many` does this by itself.
        """
        if self._decoder is not None and isinstance(recording, (str, os.PathLike)):
            self._decoder.expect(recording, channel=channel, track=track)

    @property
    def batches(self) -> bool:
        """Whether running several recordings together pays, as on a GPU."""
        return self._engine.batches

    @property
    def at_once(self) -> int:
        """How many threads should use it at the same time, where there are many recordings."""
        return self._engine.at_once

    def recognize_together(self, requests: Sequence[Request]) -> list[Recognition | EmovoxError]:
        """Recognise recordings, each with its own options and with the same result as alone.

        Returns:
            For each request, in order, its recognition or the error.
        """
        results: list[Recognition | EmovoxError | None] = [None] * len(requests)
        groups: dict[tuple[bool, bool], list[tuple[int, InferenceRun]]] = {}
        for index, request in enumerate(requests):
            try:
                run = InferenceRun(
                    self.metadata,
                    request.options,
                    self.classes(request.options.emotions),
                    functions=self.functions,
                    shift=None if request.state_sink is not None else self.shift(request.options),
                    sink=request.sink,
                    embedding_sink=request.embedding_sink,
                    state_sink=request.state_sink,
                    policy=self.policy,
                )
            except EmovoxError as error:
                results[index] = error
            else:  # all recordings of a batch need the same outputs of the model
                key = (request.options.frame_logits, request.options.frame_embeddings)
                groups.setdefault(key, []).append((index, run))
        for group in groups.values():
            stream = [(run, requests[index].recording, requests[index].name) for index, run in group]
            options = requests[group[0][0]].options
            recognitions = in_batches(stream, options, self._engine, self.model, self._decoder)
            for (index, _), result in zip(group, recognitions, strict=True):
                results[index] = result
        return [result for result in results if result is not None]

    def infer_piece(self, piece: Piece) -> list[Output]:
        """The model's outputs for a piece of a split recording, for `splitting.join`.

        Raises:
            ModelError: the model failed.
        """
        outputs: list[Output] = []
        windows = piece.windows()
        size = max(1, int(BATCH_SECONDS * SAMPLE_RATE / max(map(len, windows)))) if self.batches else 1
        for first in range(0, len(windows), size):
            outputs += self._engine.run(
                windows[first : first + size], frame_logits=piece.frame_logits, frames=piece.frames
            )
        return outputs

    def shift(self, options: Options) -> Shift | Callable[[Baseline], Shift] | None:
        """How far the options' baseline moves the logits of this model; None: they have none.

        For `self` it is what gives that of the recording's own, once it is known.

        Raises:
            BaselineError: it is another model's, or nothing of this model can be moved.
            ModelError: it failed on the clips by which it is measured where its emotions lie.
            OptionsError: the shares that are expected, or a corpus, mean nothing here.
        """
        if options.baseline is None:
            return None
        if options.of_many:
            raise OptionsError(
                f"baseline {options.baseline}: that is of many recordings, for `emovox batch` and `emovox "
                "evaluate`: here give the name of a baseline, or self"
            )
        rule = self.shifting(options)
        return rule(options.baseline) if isinstance(options.baseline, Baseline) else rule

    def shifting(self, options: Options) -> Shifting:
        """What this model makes of any baseline, with the expectation and emotions of these options.

        Raises:
            BaselineError: as `shift`.
            ModelError: likewise.
            OptionsError: likewise.
        """
        if isinstance(options.baseline, Baseline):
            options.baseline.check(self.metadata)
        movable(self.metadata)  # before its file is read
        metadata, emotions = self._with_reference, self.classes(options.emotions)
        expectation(movable(metadata), options.expect, emotions)  # it is refused now, and not in each recording
        return Shifting(metadata, self._weights, options.expect, emotions)

    @cached_property
    def _with_reference(self) -> Metadata:
        """The metadata with reference means, which may have to be measured first."""
        return with_reference(self._engine, settings().cache, notice=self._notice)

    @cached_property
    def _weights(self) -> Floats | None:
        """From embeddings to the logits of its emotions, (K, D)."""
        return read_weights(self._engine.path, self.metadata, movable(self.metadata))

    def classes(self, emotions: Collection[str] | None) -> tuple[str, ...]:
        """The emotions that may win if these were chosen; None: all that the model knows.

        Raises:
            UnknownEmotionError: a name is wrong, or the model knows none of them.
        """
        if emotions is None:
            return self.metadata.classes
        if not self.metadata.classes:
            raise UnknownEmotionError(f"the model {self.metadata.name} doesn't give the nine emotions")
        if isinstance(emotions, str):
            raise UnknownEmotionError("emotions must be a list of names, not a string")
        names = check_names(emotions)
        classes = tuple(name for name in names if name in self.metadata.classes)
        if not classes:
            raise UnknownEmotionError(
                f"the model {self.metadata.name} doesn't know {', '.join(names)}: "
                f"choose among {', '.join(self.metadata.classes)}"
            )
        return classes


def _isolated_decoder() -> "IsolatedDecoder":
    from emovox.audio.isolation.isolated_decoder import IsolatedDecoder  # noqa: PLC0415  few need asyncio

    return IsolatedDecoder()
