"""Reading a snapshot: a model's folder as the hub serves it, with config.yaml, tokens.txt and model.pt.

The config is FunASR's (funasr/models/emotion2vec, and its template.yaml); only the settings that decide what the
model computes are read, those of training are not. A snapshot comes from somewhere else, so every number has a
range, and text that FunASR evaluates as Python is parsed.
"""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.layout import FUNASR
from emovox.models.settings_file import read_text, read_yaml
from emovox.models.snapshot import MAX_WINDOW, Grid, Layer, Snapshot, hop_of, is_label, refusal, width_of

CONFIG_FILE = FUNASR.config
TOKENS_FILES = ("tokens.json", "tokens.txt")  # FunASR takes the first where both are there
WEIGHTS_FILE = "model.pt"

_MAX_LAYERS = 128
_MAX_SPEC_LAYERS = 32


def parse_feature_encoder_spec(text: str) -> list[object]:
    """Evaluate the arithmetic of lists that `feature_encoder_spec` is: tuples, lists, whole numbers, ``+``, ``*``.

    Raises:
        ValueError: anything else in ``text``, or a list of over 32 layers.
    """
    if len(text) > 2000:
        raise ValueError("feature_encoder_spec is too long")

    def evaluate(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number
            case ast.Tuple(elts=items):
                return tuple(evaluate(item) for item in items)
            case ast.List(elts=items):
                return [evaluate(item) for item in items]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return bounded(evaluate(left) + evaluate(right))
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                factors = evaluate(left), evaluate(right)
                if any(isinstance(factor, int) and factor > 4096 for factor in factors):
                    raise ValueError("feature_encoder_spec repeats something too often")
                return bounded(factors[0] * factors[1])
        raise ValueError(f"feature_encoder_spec has a {type(node).__name__}, and only lists of numbers are read")

    def bounded(value: Any) -> Any:
        if not isinstance(value, int) and len(value) > _MAX_SPEC_LAYERS:
            raise ValueError(f"feature_encoder_spec has over {_MAX_SPEC_LAYERS} layers")
        return value

    try:
        expression = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError("feature_encoder_spec is not a list of (channels, width, stride)") from error
    try:
        layers = evaluate(expression)
    except (TypeError, RecursionError) as error:
        raise ValueError("feature_encoder_spec is not a list of (channels, width, stride)") from error
    if not isinstance(layers, list):
        raise ValueError("feature_encoder_spec is not a list of (channels, width, stride)")
    return layers


class AudioConfig(BaseModel):
    """The settings under ``modalities.audio``: from waveform to the first transformer layers."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    extractor_mode: Annotated[
        Literal["layer_norm", "default"],
        Field(
            description="layer_norm: each convolution is normalised over channels; default: the first over time"
        ),
    ]
    feature_encoder_spec: Annotated[
        tuple[Layer, ...],
        BeforeValidator(lambda value: parse_feature_encoder_spec(value) if isinstance(value, str) else value),
        Field(
            description="(channels, width, stride) of each convolution",
            min_length=1,
            max_length=_MAX_SPEC_LAYERS,
        ),
    ]
    conv_pos_width: Annotated[int, Field(description="frames seen by all positional layers", ge=1, le=4096)]
    conv_pos_depth: Annotated[int, Field(description="positional layers", ge=1, le=32)]
    conv_pos_groups: Annotated[int, Field(description="groups of channels of each", ge=1, le=4096)]
    conv_pos_pre_ln: Annotated[bool, Field(description="normalise before the first")] = False
    num_extra_tokens: Annotated[int, Field(description="learned frames put before the others", ge=0, le=1024)]
    prenet_depth: Annotated[int, Field(description="transformer layers of the modality", ge=0, le=_MAX_LAYERS)]
    use_alibi_encoder: Annotated[bool, Field(description="attention fades with distance (Press et al. 2022)")]
    num_alibi_heads: Annotated[int, Field(description="heads that fade, from the first", ge=1, le=256)] = 1
    model_depth: Annotated[int, Field(description="shared layers with a scale", ge=0, le=_MAX_LAYERS)] = 0
    learned_alibi: Annotated[bool, Field(description="a learned table of distances")] = False
    learned_alibi_scale_per_head: Annotated[bool, Field(description="each head has its own")] = False
    learned_alibi_scale_per_layer: Annotated[bool, Field(description="each layer has its own")] = False

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return hop_of(self.feature_encoder_spec)

    @property
    def minimum_samples(self) -> int:
        """Samples that one frame sees: the shortest waveform that gives one."""
        return width_of(self.feature_encoder_spec)

    @property
    def alibi_scales(self) -> int:
        """How many layers have a scale of their own; 1 where they share it."""
        return self.prenet_depth + self.model_depth if self.learned_alibi_scale_per_layer else 1

    @property
    def positional_kernel(self) -> int:
        """Frames seen by one positional layer."""
        return max(3, self.conv_pos_width // self.conv_pos_depth)

    @model_validator(mode="after")
    def _check(self) -> "AudioConfig":
        if self.minimum_samples > MAX_WINDOW or self.hop > MAX_WINDOW:
            raise ValueError(f"feature_encoder_spec makes a frame of over {MAX_WINDOW} samples")
        return self


class _Modalities(BaseModel):
    model_config = ConfigDict(frozen=True)

    audio: AudioConfig


class ModelConfig(BaseModel):
    """The settings under ``model_conf`` that decide what the model computes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    embed_dim: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)]
    num_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)]
    depth: Annotated[int, Field(description="transformer layers after the modality's", ge=0, le=_MAX_LAYERS)]
    mlp_ratio: Annotated[float, Field(description="width of a layer's middle, in embeddings", gt=0, le=16)]
    norm_eps: Annotated[float, Field(description="kept away from zero by this", ge=0, le=1)]
    norm_affine: Annotated[bool, Field(description="layer norms have weights")] = False
    layer_norm_first: Annotated[bool, Field(description="normalise before each part of a layer, not after")] = (
        False
    )
    normalize: Annotated[bool, Field(description="bring the waveform to zero mean and unit variance")]
    modalities: _Modalities

    @property
    def audio(self) -> AudioConfig:
        """The settings under ``modalities.audio``."""
        return self.modalities.audio

    @property
    def hidden(self) -> int:
        """Width of the middle of a transformer layer."""
        return int(self.embed_dim * self.mlp_ratio)

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        audio = self.audio
        if self.embed_dim % self.num_heads or self.embed_dim % audio.conv_pos_groups or not self.hidden:
            raise ValueError(
                "embed_dim must be a multiple of num_heads and of conv_pos_groups, mlp_ratio not tiny"
            )
        if audio.use_alibi_encoder:
            if audio.learned_alibi:
                raise ValueError("learned_alibi is not read; FunASR can't build it either")
            if audio.num_alibi_heads > self.num_heads:
                raise ValueError("num_alibi_heads must not exceed num_heads")
            shared = audio.alibi_scales == 1 or audio.alibi_scales - audio.prenet_depth == 1
            if not shared and audio.model_depth < self.depth:
                raise ValueError("modalities.audio.model_depth must be depth, one scale for each layer")
        return self


@dataclass(frozen=True, kw_only=True)
class Emotion2VecSnapshot(Snapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
        tokens: of each row of the head; empty without a head.
        scope_map: pairs of prefixes, the checkpoint's and the model's.
        has_tokenizer: whether the config says that there is a head.
    """

    config: ModelConfig
    tokens: tuple[str, ...]
    scope_map: tuple[tuple[str, str], ...]
    has_tokenizer: bool

    @property
    def has_head(self) -> bool:
        """Whether it gives more than embeddings."""
        return bool(self.tokens)

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return Grid.of(self.config.audio.feature_encoder_spec)

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.config.embed_dim


def read_snapshot(directory: Path) -> Emotion2VecSnapshot:
    """Read the config and the tokens of a snapshot, and check that the weights are there.

    Raises:
        ModelError: a file is missing, unreadable, or asks for what can't be computed.
    """
    weights = FUNASR.weights_among(path.name for path in directory.glob("*.pt") if path.is_file())
    if len(weights) != 1:
        raise ModelError(f"{directory} is not a snapshot: it has no {WEIGHTS_FILE}")
    config = read_yaml(directory / CONFIG_FILE)
    if config.get("model") != "Emotion2vec":
        hint = "only Emotion2vec and SenseVoiceSmall can be read"
        raise ModelError(f"{CONFIG_FILE} is of a model {config.get('model')!r:.100}; {hint}")
    try:
        model = ModelConfig.model_validate(config.get("model_conf"))
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE, "model_conf") from error
    return Emotion2VecSnapshot(
        directory=directory,
        weights=directory / weights[0],
        config=model,
        tokens=_read_tokens(directory),
        scope_map=_scope_map(config.get("scope_map")),
        has_tokenizer=bool(config.get("tokenizer")),
    )


def _read_tokens(directory: Path) -> tuple[str, ...]:
    """The tokens of the head's rows; none without a file of them."""
    path = next((directory / name for name in TOKENS_FILES if (directory / name).is_file()), None)
    if path is None:
        return ()
    text = read_text(path)
    tokens: object = [line.rstrip() for line in text.rstrip().splitlines()]
    if path.suffix == ".json":
        try:
            tokens = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{path.name} is not valid JSON") from error
    if not isinstance(tokens, list) or not all(map(is_label, tokens)):
        raise ModelError(f"{path.name} is not a list of class names, each a short line")
    names = [tokens[row] for row in trained_rows(tokens)]
    if len(names) != len(set(names)) or not names or len(tokens) > 1000:
        raise ModelError(f"{path.name} must name at least one class, and none of them twice")
    return tuple(tokens)


def trained_rows(tokens: Sequence[str]) -> list[int]:
    """The rows of the head that were trained: ``unuse_0`` was not."""
    return [row for row, token in enumerate(tokens) if not token.startswith("unuse")]


def emotions_of(labels: Sequence[str]) -> dict[str, str]:
    """Which of the nine FunASR's tokens are: ``开心/happy`` is happy, and ``<unk>`` unknown."""
    names = {label: label.rpartition("/")[2].strip().lower() for label in labels}
    names = {label: "unknown" if name == "<unk>" else name for label, name in names.items()}
    return {label: name for label, name in names.items() if name in NAMES}


def _scope_map(value: object) -> tuple[tuple[str, str], ...]:
    """Pairs of prefixes, as a list or with commas; "none" is an empty one. Torch's own `module.` comes last."""
    parts = value.split(",") if isinstance(value, str) else value if value is not None else []
    if not isinstance(parts, list) or len(parts) % 2 or not all(isinstance(part, str | None) for part in parts):
        raise ModelError(f"{CONFIG_FILE}: scope_map must be pairs of prefixes")
    if len(parts) > 100:
        raise ModelError(f"{CONFIG_FILE}: scope_map has over 50 pairs")
    prefixes = ["" if part is None or part.strip().lower() == "none" else part.strip() for part in parts]
    return (*zip(prefixes[::2], prefixes[1::2], strict=True), ("module.", ""))
