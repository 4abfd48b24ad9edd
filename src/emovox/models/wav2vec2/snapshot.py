"""Reading a snapshot of transformers: config.json, preprocessor_config.json and the file of weights.

Only the settings that decide what the model computes are read, those of training are not; where one is left out,
transformers' own default holds. A snapshot comes from somewhere else, so every number has a range.

The classes are those of config.json's `id2label`. One that bears the English name of one of the nine is that one;
what the others mean says the catalog or, beside config.json, an emovox-labels.json such as {"neu": "neutral"}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.layout import TRANSFORMERS
from emovox.models.readout import same_names
from emovox.models.snapshot import MAX_WINDOW, Layer, Snapshot, hop_of, read_json, refusal, width_of

CONFIG_FILE = TRANSFORMERS.config
PREPROCESSOR_FILE = "preprocessor_config.json"
LABELS_FILE = "emovox-labels.json"

ARCHITECTURES = {"wav2vec2": "Wav2Vec2ForSequenceClassification", "hubert": "HubertForSequenceClassification"}
"""By `model_type`, the class that is computed."""

_MAX_CONVOLUTIONS = 32
_MAX_LABELS = 1000

Sizes = Annotated[tuple[int, ...], Field(min_length=1, max_length=_MAX_CONVOLUTIONS)]


class ModelConfig(BaseModel):
    """The settings of config.json that decide what the model computes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    model_type: Literal["wav2vec2", "hubert"]
    hidden_size: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)] = 768
    num_hidden_layers: Annotated[int, Field(description="transformer layers", ge=1, le=128)] = 12
    num_attention_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)] = 12
    intermediate_size: Annotated[int, Field(description="width of a layer's middle", ge=1, le=65_536)] = 3072
    hidden_act: Annotated[Literal["gelu"], Field(description="of a layer's middle")] = "gelu"
    layer_norm_eps: Annotated[float, Field(description="kept away from zero by this", ge=0, le=1)] = 1e-5
    feat_extract_norm: Annotated[
        Literal["group", "layer"],
        Field(description="layer: each convolution is normalised over channels; group: the first over time"),
    ] = "group"
    feat_extract_activation: Annotated[Literal["gelu"], Field(description="of the convolutions")] = "gelu"
    conv_dim: Annotated[Sizes, Field(description="channels of each convolution")] = (512,) * 7
    conv_kernel: Annotated[Sizes, Field(description="width of each")] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: Annotated[Sizes, Field(description="stride of each")] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: Annotated[bool, Field(description="they have a bias")] = False
    feat_proj_layer_norm: Annotated[bool, Field(description="HuBERT: normalise what they give")] = True
    num_conv_pos_embeddings: Annotated[int, Field(description="frames that a position sees", ge=1, le=4096)] = 128
    num_conv_pos_embedding_groups: Annotated[int, Field(description="groups of channels", ge=1, le=4096)] = 16
    conv_pos_batch_norm: Annotated[
        bool, Field(description="HuBERT: a batch norm before the positions, and no weight norm in them")
    ] = False
    do_stable_layer_norm: Annotated[
        bool, Field(description="normalise before each part of a layer, not after")
    ] = False
    use_weighted_layer_sum: Annotated[bool, Field(description="the head sees all layers, not the last")] = False
    classifier_proj_size: Annotated[int, Field(description="width of the head's middle", ge=1, le=8192)] = 256
    add_adapter: Annotated[Literal[False], Field(description="convolutions after the layers")] = False
    adapter_attn_dim: Annotated[None, Field(description="adapters in the layers")] = None

    @property
    def convolutions(self) -> tuple[Layer, ...]:
        """Channels, width and stride of each convolution."""
        return tuple(zip(self.conv_dim, self.conv_kernel, self.conv_stride, strict=True))

    @model_validator(mode="before")
    @classmethod
    def _leave_out(cls, settings: Any) -> Any:
        """Wav2vec 2.0 knows nothing of HuBERT's settings, whatever a config says."""
        if isinstance(settings, dict) and settings.get("model_type") == "wav2vec2":
            return {
                key: settings[key] for key in settings.keys() - {"feat_proj_layer_norm", "conv_pos_batch_norm"}
            }
        return settings

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if not len(self.conv_dim) == len(self.conv_kernel) == len(self.conv_stride):
            raise ValueError("conv_dim, conv_kernel and conv_stride must be of one length")
        if not all(1 <= channels <= 4096 for channels in self.conv_dim):
            raise ValueError("conv_dim must be from 1 to 4096")
        if not all(1 <= size <= 1024 for size in self.conv_kernel + self.conv_stride):
            raise ValueError("conv_kernel and conv_stride must be from 1 to 1024")
        if max(width_of(self.convolutions), hop_of(self.convolutions)) > MAX_WINDOW:
            raise ValueError(f"conv_kernel and conv_stride make a frame of over {MAX_WINDOW} samples")
        if self.hidden_size % self.num_attention_heads or self.hidden_size % self.num_conv_pos_embedding_groups:
            raise ValueError(
                "hidden_size must be a multiple of num_attention_heads and num_conv_pos_embedding_groups"
            )
        return self


class _Preprocessor(BaseModel):
    """What is done to the waveform before; Wav2Vec2FeatureExtractor's settings."""

    model_config = ConfigDict(frozen=True)

    do_normalize: Annotated[bool, Field(description="bring it to zero mean and unit variance")] = True
    sampling_rate: Annotated[Literal[16_000], Field(description="samples a second")] = 16_000
    feature_size: Annotated[Literal[1], Field(description="channels")] = 1


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2Snapshot(Snapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
        labels: of the head's rows, as config.json names them.
        emotions: which of the nine they are; those that are none of them are left out.
        normalize: whether the waveform is brought to zero mean and unit variance.
    """

    config: ModelConfig
    labels: tuple[str, ...]
    emotions: dict[str, str]
    normalize: bool

    @property
    def convolutions(self) -> Sequence[Layer]:
        """The strided convolutions that make frames of the waveform."""
        return self.config.convolutions

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.config.hidden_size


def is_snapshot(directory: Path) -> bool:
    """Whether a folder has the config of a model of this family.

    Raises:
        ModelError: it has a config.json that can't be read.
    """
    path = directory / CONFIG_FILE
    return path.exists() and read_json(path).get("model_type") in list(ARCHITECTURES)


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> Wav2Vec2Snapshot:
    """Read the settings and labels of a snapshot, and see that the weights are there.

    What its config alone tells is refused before the weights are looked for.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others; its own file of them goes before.

    Raises:
        ModelError: a file is missing, unreadable, or says what can't be computed.
    """
    if not is_snapshot(directory):
        raise ModelError(f"{directory} has no {CONFIG_FILE} of the model_type {' or '.join(ARCHITECTURES)}")
    settings = read_json(directory / CONFIG_FILE)
    _check_head(settings)
    try:
        config = ModelConfig.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE) from error
    try:
        preprocessor = _Preprocessor.model_validate(read_json(directory / PREPROCESSOR_FILE))
    except ValidationError as error:
        raise refusal(error, PREPROCESSOR_FILE) from error
    names = _read_labels(settings.get("id2label"))
    own = _read_mapping(directory / LABELS_FILE, names)
    catalog = {label: name for label, name in (labels or {}).items() if label in names}
    weights = TRANSFORMERS.weights_among(path.name for path in directory.iterdir() if path.is_file())
    if not weights:
        raise ModelError(f"{directory} is not a snapshot: it has neither model.safetensors nor pytorch_model.bin")
    return Wav2Vec2Snapshot(
        directory=directory,
        weights=directory / weights[0],
        labels=names,
        emotions={**same_names(names), **catalog, **own},
        config=config,
        normalize=preprocessor.do_normalize,
    )


def _check_head(settings: Mapping[str, Any]) -> None:
    """Refuse what isn't a linear head that gives one of several classes."""
    kind = settings.get("problem_type")
    if kind == "regression":
        raise ModelError(
            f"{CONFIG_FILE} is of a model that gives values, as of arousal or valence, and no classes "
            "(problem_type: regression): only classes are computed so far"
        )
    if kind not in (None, "single_label_classification"):
        raise ModelError(
            f"{CONFIG_FILE}: problem_type is {kind!r:.50}: only models whose classes exclude each other are "
            "computed so far"
        )
    architectures, needed = settings.get("architectures"), ARCHITECTURES[settings["model_type"]]
    if architectures != [needed]:
        given = ", ".join(map(str, architectures)) if isinstance(architectures, list) else str(architectures)
        raise ModelError(
            f"{CONFIG_FILE} is of the class {given:.100}; computed is {needed} so far, the mean of the frames "
            "with a linear head, and no other head or way of pooling"
        )


def _read_labels(id2label: object) -> tuple[str, ...]:
    """The classes as the snapshot names them, in the order of the head's rows."""
    if id2label is None:
        raise ModelError(f"{CONFIG_FILE} doesn't name its classes: it has no id2label")
    if isinstance(id2label, dict) and 1 <= len(id2label) <= _MAX_LABELS:
        names = tuple(id2label.get(str(index)) for index in range(len(id2label)))
        if len(set(names)) == len(names) and all(isinstance(name, str) for name in names):
            return tuple(map(str, names))
    raise ModelError(f"{CONFIG_FILE}: id2label must name the classes 0, 1, 2 …, each once")


def _read_mapping(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The user's own word on what the classes mean: none where there is no such file."""
    if not path.exists():
        return {}
    mapping = read_json(path)
    for name, meaning in mapping.items():
        if name not in names:
            raise ModelError(
                f"{path.name} speaks of the class {name!r:.100}, and {CONFIG_FILE} has none of that name"
            )
        if meaning not in NAMES:
            raise ModelError(f"{path.name}: {name!r:.100} must be one of {', '.join(NAMES)}")
    return mapping
