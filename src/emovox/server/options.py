"""What a client may ask of a recognition: the command line's options, with its names and checks."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_args

from fastapi import Request
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.dataclasses import dataclass

from emovox.baselines.baseline import SELF
from emovox.baselines.baseline import names as baseline_names
from emovox.baselines.shift import parse_expectation
from emovox.emotions import NAMES, check_names
from emovox.errors import (
    BaselineError,
    ExportError,
    HeadError,
    OptionsError,
    UnknownEmotionError,
    UnknownModelError,
)
from emovox.exports import FORMATS, check_formats, needs
from emovox.inference.frames import RowsIn
from emovox.inference.model_pool import ModelChoice
from emovox.inference.options import Channel, CommonOptions, Options
from emovox.models.added import NAME, REVISION
from emovox.models.catalog import AUTO, find
from emovox.models.head import Head, head_path, names
from emovox.models.loading import PrecisionChoice
from emovox.models.metadata import Precision
from emovox.models.named import CATALOG
from emovox.models.repository import PATTERN
from emovox.policy import LEFT_OPEN, SIDES, parse_sides
from emovox.server.baselines import find_baseline
from emovox.server.http.problems import from_validation, invalid
from emovox.server.stored_outputs import ID

CHANNELS = 64  # the most that are recognised one by one
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
    if value is None or value in MODEL_NAMES:
        return value
    try:
        return find(str(value)).name
    except UnknownModelError as error:
        raise ValueError(str(error)) from error


def _head(value: object) -> object:
    """Names only, for the same reason; and one that is there, so that no job waits for nothing."""
    try:
        if value is not None:
            Head.find(str(head_path(str(value))))
    except HeadError as error:
        choices = ", ".join(names()) or "none"
        raise ValueError(f"choose one of the heads: {choices}") from error
    return value


def _baseline(value: object) -> object:
    """Likewise; a job's may be gone when its turn comes."""
    try:
        if value is not None and value != SELF:
            find_baseline(str(value))
    except BaselineError as error:
        names = baseline_names()
        if value in names:
            raise ValueError(f"{value} is damaged: fit it again, or delete it") from error
        choices = ", ".join(names) or "none"
        raise ValueError(
            f"there is no {str(value)!r:.140}: choose self, or one of the baselines: {choices}"
        ) from error
    return value


def _expect(value: object) -> object:
    try:
        if value is not None:
            parse_expectation(str(value))
    except OptionsError as error:
        raise ValueError(str(error).removeprefix("expect").lstrip(": ")) from error
    return value


def client_model(name: str) -> str | None:
    """The name of a model, if clients may say it; None: it isn't one, or it is of a file."""
    try:
        return RecognitionOptions.parse({"model": name}).model
    except ValidationError:
        return None


def _side(value: object) -> object:
    try:
        if value is not None:
            parse_sides(str(value))
    except OptionsError as error:
        raise ValueError(str(error)) from error
    return value


Taken = TypeVar("Taken", bound="RecognitionOptions")

_TEXT = {"type": "string"}


def _list_of(words: Sequence[str]) -> dict[str, Any]:
    """The schema of some of these words, between commas."""
    return {**_TEXT, "pattern": f"^({'|'.join(words)})(,({'|'.join(words)}))*$"}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RecognitionOptions(CommonOptions):
    """The options of a recognition. What differs from the library is declared here."""

    channel: Annotated[Channel, Field(le=CHANNELS)] = None
    emotions: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(_emotions),
        Field(description=f"choose only among these, between commas: {', '.join(NAMES)}"),
        WithJsonSchema(_list_of(NAMES)),
    ] = None
    export: Annotated[
        tuple[str, ...],
        BeforeValidator(_formats),
        Field(description=f"store these too, between commas: {', '.join(FORMATS)}. Implies what they show"),
        WithJsonSchema(_list_of(FORMATS)),
    ] = ()
    model: Annotated[
        str | None,
        BeforeValidator(_model),
        Field(
            description=f"one of {', '.join(MODEL_NAMES)}, or the name of one that was added, or hf:OWNER/NAME of "
            "one that was pulled; NAME@REVISION for a revision; by default the service's own"
        ),
        WithJsonSchema({**_TEXT, "pattern": f"^({NAME}(@{REVISION})?|{PATTERN})$"}),
    ] = None
    precision: Annotated[
        PrecisionChoice,
        Field(description="of the arithmetic; `auto`: the fastest that gives the same emotions as fp32"),
        WithJsonSchema({**_TEXT, "enum": ["auto", *get_args(Precision)]}),
    ] = "auto"
    head: Annotated[
        str | None,
        BeforeValidator(_head),
        Field(description="also apply this trained head, one of GET /v1/heads"),
        WithJsonSchema({**_TEXT, "maxLength": 64}),
    ] = None
    baseline: Annotated[
        str | None,
        BeforeValidator(_baseline),
        Field(
            description="recognise emotions relative to this baseline, one of GET /v1/baselines; `self`: "
            "segments, which it implies, and curve relative to the recording itself"
        ),
        WithJsonSchema({**_TEXT, "maxLength": 128}),
    ] = None
    expect: Annotated[
        str | None,
        BeforeValidator(_expect),
        Field(
            description="share of an emotion that the baseline's recordings are taken to have, if not half "
            "neutral and half all others, as `neutral=0.8`, several between commas; the others share the rest"
        ),
        WithJsonSchema({**_TEXT, "pattern": "^[a-z]+=[0-9.]+(,[a-z]+=[0-9.]+)*$"}),
    ] = None
    side: Annotated[
        str | None,
        BeforeValidator(_side),
        Field(
            description=f"whose voice it is: {', '.join(SIDES)}; of a channel those of all channels in their "
            "order, between commas, with `open` where nobody says. The policy of GET /v1/policy may allow nothing "
            "but the talk time of workers and pupils"
        ),
        WithJsonSchema(_list_of((*SIDES, LEFT_OPEN))),
    ] = None
    words_of: Annotated[
        str | None,
        Field(
            pattern=f"^{ID.pattern}$",
            description="recognise the lines of text again that these stored outputs have, by their ID: for a "
            "recording that is recognised again",
        ),
    ] = None
    again: Annotated[
        str | None,
        Field(
            pattern=f"^{ID.pattern}$",
            description="the file is the processed_audio.wav of these stored outputs, by their ID: the result is "
            "of their recording, with its name, checksum, channel and lines of text, and with its side, purpose "
            "and consent unless others are given",
        ),
    ] = None
    store: Annotated[
        bool, Field(description="keep an outputs directory; otherwise the answer is all there will be")
    ] = True

    frames: Annotated[
        RowsIn | None,
        Field(
            description="where the rows of granularity=frame are: inline in the JSON, up to an hour of them, or "
            "in the file frames.npz among the outputs, as by default; inline where nothing is stored"
        ),
        WithJsonSchema({**_TEXT, "enum": list(get_args(RowsIn))}),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> "RecognitionOptions":
        if not self.store and (self.embedding or self.export):
            raise ValueError("embedding and export are files among the outputs, and store=false forbids those")
        if not self.store and self.frames == "file":
            raise ValueError("frames=file is about a file among the outputs, and store=false forbids those")
        if self.expect is not None and self.baseline is None:
            raise ValueError("expect says what the recordings of a baseline are like: choose a baseline, too")
        if self.again is not None and (self.channel or self.track or getattr(self, "split_channels", False)):
            raise ValueError("again keeps channel and track as they are: give the outputs of that channel")
        if "," in (self.side or "") and self.channel is None and not getattr(self, "split_channels", False):
            raise ValueError("sides of several channels: give channel, or split_channels in a batch")
        return self

    @classmethod
    def parse(cls: type[Taken], values: Mapping[str, Any]) -> Taken:
        """The options that these values mean.

        Raises:
            ValidationError: an option is unknown or wrong.
        """
        return TypeAdapter(cls).validate_python(values)

    def dump(self) -> dict[str, Any]:
        """What isn't the default, for `parse`; plain data."""
        values: dict[str, Any] = TypeAdapter(type(self)).dump_python(self, mode="json", exclude_defaults=True)
        return values

    def choice(self, default: str) -> ModelChoice:
        """The model that is to recognise it; `default` is the service's own."""
        return ModelChoice(self.model or default, self.precision)

    def to_options(self) -> Options:
        """What the recognizer is to do."""
        common = {field.name: getattr(self, field.name) for field in fields(CommonOptions)}
        baseline = find_baseline(self.baseline) if self.baseline not in {None, SELF} else self.baseline
        options = Options.of(**common, head=self.head, baseline=baseline, expect=self.expect, side=self.side)
        return options.showing(needs(self.export)) if self.export else options


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class BatchOptions(RecognitionOptions):
    """The options of a batch: those of its recognitions, and how recordings become recognitions."""

    split_channels: Annotated[
        bool, Field(description="recognise each channel of each recording by itself: a job for each of them")
    ] = False

    @model_validator(mode="after")
    def _check_channels(self) -> "BatchOptions":
        if self.split_channels and self.channel is not None:
            raise ValueError("channel is one of them, and split_channels recognises each: give one of the two")
        return self


_EXAMPLES = {
    "granularity": "frame",
    "segments": True,
    "emotions": "happy,sad,neutral",
    "export": "srt,csv",
    "baseline": "self",
    "side": "customer",
}


def parameters(kind: type[RecognitionOptions], *, form: bool = False) -> list[dict[str, Any]]:
    """The options as query parameters, for the OpenAPI document; or as what a form's properties are made of."""
    items = []
    for name, info in TypeAdapter(kind).json_schema()["properties"].items():
        default, description = info.pop("default"), info.pop("description")
        first = info["anyOf"][0] if "anyOf" in info else info  # the others are null
        schema = {key: value for key, value in first.items() if key != "title"}
        if default not in (None, []):
            schema["default"] = default
        if name in _EXAMPLES and not form:
            schema["examples"] = [_EXAMPLES[name]]
        items.append(
            {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        )
    return items


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
    if "split_channels" in options and kind is not BatchOptions:
        raise invalid(
            [{"field": "split_channels", "reason": "POST /v1/batches takes it: it gives several recognitions"}]
        )
    try:
        return kind.parse(options)
    except ValidationError as error:
        raise from_validation(error) from None
