"""The options of a recognition, checked."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from emovox.audio.decoded import Decoded
from emovox.audio.recording import Source
from emovox.audio.waveform import Waveform
from emovox.errors import OptionsError
from emovox.inference.recognition import Granularity
from emovox.inference.smoothing import SMOOTHING
from emovox.models.head import Head
from emovox.models.runtime.engine import Floats

Sink = Callable[[Waveform], None]
"""Takes the blocks of waveform that the model hears, in order."""
EmbeddingSink = Callable[[Floats], None]
"""Takes the embeddings of frames, float32 (n, D), in order."""


@dataclass(frozen=True)
class Options:
    """What is wanted of every recording; `Recognizer.recognize` says what each means.

    Raises:
        OptionsError: a value that means nothing.
    """

    granularity: Granularity = "utterance"
    embedding: bool = False
    emotions: Collection[str] | None = None
    segments: bool = False
    merge: bool = False
    speech_only: bool | None = None
    smoothing: float = SMOOTHING
    channel: int | None = None
    track: int | None = None
    head: Head | None = None

    def __post_init__(self) -> None:
        if self.granularity not in {"utterance", "frame"}:
            raise OptionsError(f"granularity {self.granularity!r}: choose utterance or frame")
        if not 0 <= self.smoothing < float("inf"):
            raise OptionsError(f"smoothing {self.smoothing!r}: give seconds, 0 or more")
        if self.merge:  # what is merged is wanted
            object.__setattr__(self, "segments", True)
        if self.channel is not None and self.channel < 1:
            raise OptionsError(f"channel {self.channel!r}: channels are counted from 1")
        if self.track is not None and self.track < 1:
            raise OptionsError(f"track {self.track!r}: tracks are counted from 1")

    @property
    def by_frame(self) -> bool:
        """Whether the curve is wanted."""
        return self.granularity == "frame"

    @property
    def by_speech(self) -> bool:
        """Whether only frames with speech count. Where nobody says: of one channel, as half a call is silence."""
        return self.channel is not None if self.speech_only is None else self.speech_only

    @property
    def frame_logits(self) -> bool:
        """Whether the model must give the logits of frames."""
        return self.by_frame or self.segments or self.by_speech

    @property
    def frame_embeddings(self) -> bool:
        """Whether the model must give the embeddings of frames."""
        return (self.embedding or self.head is not None) and self.frame_logits


@dataclass(frozen=True)
class Request:
    """One recording and what is wanted of it, for `Recognizer.recognize_together`.

    Attributes:
        recording: as for `Recognizer.recognize`, or one that was decoded before, with its own name.
        options: each request has its own.
        name: what to call it in the result; by default its file name.
        sink: is given the waveform, block by block.
        embedding_sink: is given the embeddings of frames instead of the result.
    """

    recording: Source | Decoded
    options: Options = field(default_factory=Options)
    name: str | None = None
    sink: Sink | None = None
    embedding_sink: EmbeddingSink | None = None
