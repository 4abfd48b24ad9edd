"""What a client may ask of a recognition: the command line's options, with its names and checks."""

from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from emovox.emotions import NAMES, check_names
from emovox.errors import ExportError, HeadError, UnknownEmotionError
from emovox.exports import FORMATS, check_formats, needs
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import Options
from emovox.inference.recognition import Granularity
from emovox.inference.smoothing import SMOOTHING
from emovox.models.catalog import AUTO, CATALOG
from emovox.models.head import Head, names, place
from emovox.models.loading import Wanted
from emovox.server.http.problems import from_validation, invalid

CHANNELS = 64  # the most that are heard one by one
TRACKS = 1024
MODEL_NAMES = (AUTO, *(entry.name for entry in CATALOG))


def _words(value: object) -> object:
    if value is None or isinstance(value, (list, tuple)):
        return value
    return [word.strip().lower() for word in str(value).split(",")]


def _emotions(value: object) -> object:
    try:
        words = _words(value)
        return check_names(words) if isinstance(words, (list, tuple)) else None
    except UnknownEmotionError as error:
        raise ValueError(str(error)) from error


def _formats(value: object) -> object:
    try:
        words = _words(value)
        return check_formats(words) if isinstance(words, (list, tuple)) and words else ()
    except ExportError as error:
        raise ValueError(str(error)) from error


def _model(value: object) -> object:
    """Names only: a path of this machine is none of a client's business."""
    if value is not None and value not in MODEL_NAMES:
        raise ValueError(f"choose {', '.join(MODEL_NAMES)}")
    return value


def _head(value: object) -> object:
    """Names only, for the same reason; and one that is there, so that no job waits for nothing."""
    try:
        if value is not None:
            Head.find(str(place(str(value))))
    except HeadError as error:
        there = ", ".join(names()) or "none"
        raise ValueError(f"choose one of the heads: {there}") from error
    return value


class RecognitionOptions(BaseModel):
    """The options of a recognition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    granularity: Granularity = Field("utterance", description="`frame` adds the scores of every frame (20 ms)")
    embedding: bool = Field(False, description="store embedding.npy: (1, D), or (T, D) by frame")
    segments: bool = Field(False, description="each stretch of speech with its times and emotion")
    merge: bool = Field(False, description="join segments of one emotion up to a second apart; implies segments")
    speech_only: bool | None = Field(
        None, description="let only speech count; by default where a channel is heard by itself"
    )
    smoothing: float = Field(SMOOTHING, ge=0, le=3600, description="of the curve's scores, seconds; 0: not at all")
    channel: int | None = Field(
        None, ge=1, le=CHANNELS, description="hear this channel alone, from 1; by default the mean"
    )
    track: int | None = Field(
        None,
        ge=1,
        le=TRACKS,
        description="hear this audio track, from 1; by default the main one, or the next that isn't silent",
    )
    emotions: Annotated[tuple[str, ...] | None, BeforeValidator(_emotions)] = Field(
        None, description=f"choose only among these, between commas: {', '.join(NAMES)}"
    )
    export: Annotated[tuple[str, ...], BeforeValidator(_formats)] = Field(
        (), description=f"store these too, between commas: {', '.join(FORMATS)}. Implies what they show"
    )
    model: Annotated[str | None, BeforeValidator(_model)] = Field(
        None, description=f"one of {', '.join(MODEL_NAMES)}; by default the service's own"
    )
    precision: Wanted = Field(
        "auto", description="of the arithmetic; `auto`: the fastest that hears what fp32 hears"
    )
    head: Annotated[str | None, BeforeValidator(_head)] = Field(
        None, description="also ask this trained head, one of GET /v1/heads", max_length=64
    )
    store: bool = Field(True, description="keep an outputs directory; otherwise the answer is all there will be")

    @model_validator(mode="after")
    def _check(self) -> "RecognitionOptions":
        if not self.store and (self.embedding or self.export):
            raise ValueError("embedding and export are files among the outputs, and store=false forbids those")
        return self

    def choice(self, default: str) -> ModelChoice:
        """The model that is to hear it; `default` is the service's own."""
        return ModelChoice(self.model or default, self.precision)

    def to_options(self) -> Options:
        """What the recognizer is to do."""
        needed = needs(self.export) if self.export else frozenset()
        return Options(
            granularity="frame" if "frames" in needed else self.granularity,
            embedding=self.embedding,
            emotions=self.emotions,
            segments=self.segments or self.merge or "segments" in needed,
            merge=self.merge,
            speech_only=self.speech_only,
            smoothing=self.smoothing,
            channel=self.channel,
            track=self.track,
            head=None if self.head is None else Head.find(self.head),
        )


class BatchOptions(RecognitionOptions):
    """The options of a batch: those of its recognitions, and how recordings become recognitions."""

    split_channels: bool = Field(
        False, description="hear each channel of each recording by itself: a job for each of them"
    )

    @model_validator(mode="after")
    def _check_channels(self) -> "BatchOptions":
        if self.split_channels and self.channel is not None:
            raise ValueError("channel is one of them, and split_channels hears each: give one of the two")
        return self


Taken = TypeVar("Taken", bound=RecognitionOptions)

_EXAMPLES = {"granularity": "frame", "segments": True, "emotions": "happy,sad,neutral", "export": "srt,csv"}


def parameters(kind: type[RecognitionOptions], *, fields: bool = False) -> list[dict[str, Any]]:
    """The options as query parameters, for the OpenAPI document; or as the properties of a form, by name."""
    found = []
    for name, field in kind.model_fields.items():
        schema: dict[str, Any]
        if name in {"emotions", "export"}:
            schema = {"type": "string"}
            choices = "|".join(NAMES if name == "emotions" else FORMATS)
            schema["pattern"] = f"^({choices})(,({choices}))*$"
        elif name == "model":
            schema = {"type": "string", "enum": list(MODEL_NAMES)}
        elif name == "precision":
            schema = {"type": "string", "enum": ["auto", "fp32", "bf16", "fp16", "int8"], "default": "auto"}
        elif name == "granularity":
            schema = {"type": "string", "enum": ["utterance", "frame"], "default": "utterance"}
        elif name == "head":
            schema = {"type": "string", "maxLength": 64}
        elif name in {"channel", "track"}:
            schema = {"type": "integer", "minimum": 1, "maximum": CHANNELS if name == "channel" else TRACKS}
        elif name == "smoothing":
            schema = {"type": "number", "minimum": 0, "maximum": 3600, "default": SMOOTHING}
        else:
            schema = {"type": "boolean", "default": field.default}
            if field.default is None:
                del schema["default"]
        item: dict[str, Any] = {"name": name, "in": "query", "required": False, "description": field.description}
        if name in _EXAMPLES and not fields:
            schema["examples"] = [_EXAMPLES[name]]
        found.append({**item, "schema": schema})
    return found


def read(
    request: Request, form: dict[str, str], kind: type[Taken], *, apart: frozenset[str] = frozenset()
) -> Taken:
    """The options of a request: query parameters and form fields, each said once.

    Args:
        request: for its query.
        form: the fields of its body.
        kind: what options there are.
        apart: names that are no options.

    Raises:
        Problem: an option is unknown, wrong, or said twice.
    """
    given: dict[str, str] = {}
    for name, value in [*request.query_params.multi_items(), *form.items()]:
        if name in given:
            raise invalid([{"field": name, "reason": "it is said twice"}])
        given[name] = value
    options = {name: value for name, value in given.items() if name not in apart}
    if "split_channels" in options and "split_channels" not in kind.model_fields:
        raise invalid(
            [{"field": "split_channels", "reason": "POST /v1/batches takes it: it gives several recognitions"}]
        )
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        raise from_validation(error) from None
