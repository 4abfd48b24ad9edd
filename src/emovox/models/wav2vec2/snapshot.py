"""Reading a snapshot of transformers: config.json, preprocessor_config.json and the file of weights.

Only the settings that decide what the model computes are read, those of training are not; where one is left out,
transformers' own default holds. A snapshot comes from somewhere else, so every number has a range.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.errors import ModelError
from emovox.models.readout import Activation
from emovox.models.settings_file import read_json
from emovox.models.snapshot import MAX_WINDOW, Grid, Layer, hop_of, refusal, width_of
from emovox.models.transformers import (
    CONFIG_FILE,
    PREPROCESSOR_FILE,
    LabelledSnapshot,
    activation_of,
    find_weights,
    read_emotions,
    read_labels,
)

DATA2VEC, CONFORMER = "data2vec-audio", "wav2vec2-conformer"
PREFIXES = {
    "wav2vec2": "Wav2Vec2",
    "hubert": "Hubert",
    "wavlm": "WavLM",
    DATA2VEC: "Data2VecAudio",
    CONFORMER: "Wav2Vec2Conformer",
}
"""By `model_type`, what the names of its classes begin with."""

HEADLESS, SEQUENCE, SPEECH = "Model", "ForSequenceClassification", "ForSpeechClassification"
"""What the names of those that are computed end with: no head; transformers' own; and one that many published
models name and transformers never had, with a dense layer, tanh and another (https://github.com/m3hrdadfi/soxan)."""
_ALSO_SPEECH = "EmotionModel"  # audEERING's name for the same, in their card
CTC = "ForCTC"
"""A class that transcribes: computed where its outputs are named, which those of a transcription aren't. Then the
verdict is the mean of the frames' logits."""

_OWN = {
    "hubert": {"feat_proj_layer_norm", "conv_pos_batch_norm"},
    "wavlm": {"num_buckets", "max_bucket_distance"},
    DATA2VEC: {"conv_pos_kernel_size"},
    CONFORMER: {"position_embeddings_type", "rotary_embedding_base", "conv_depthwise_kernel_size"},
}  # settings that one kind alone has

_PLAIN = {"do_stable_layer_norm": False}
_MAX_CONVOLUTIONS = 32
_MAX_POSITIONAL = 64  # convolutions one upon the other

Sizes = Annotated[tuple[int, ...], Field(min_length=1, max_length=_MAX_CONVOLUTIONS)]


class ModelConfig(BaseModel):
    """The settings of config.json that decide what the model computes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    model_type: Literal["wav2vec2", "hubert", "wavlm", "data2vec-audio", "wav2vec2-conformer"]
    hidden_size: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)] = 768
    num_hidden_layers: Annotated[int, Field(description="transformer layers", ge=1, le=128)] = 12
    num_attention_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)] = 12
    intermediate_size: Annotated[int, Field(description="width of a layer's middle", ge=1, le=65_536)] = 3072
    hidden_act: Annotated[Literal["gelu", "swish", "silu"], Field(description="of a layer's middle")] = "gelu"
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
    num_conv_pos_embeddings: Annotated[
        int,
        Field(
            description="frames that a position sees; data2vec: convolutions, one upon the other", ge=1, le=4096
        ),
    ] = 128
    conv_pos_kernel_size: Annotated[int, Field(description="data2vec: frames that each sees", ge=1, le=4096)] = 19
    num_conv_pos_embedding_groups: Annotated[int, Field(description="groups of channels", ge=1, le=4096)] = 16
    conv_pos_batch_norm: Annotated[
        bool, Field(description="HuBERT: a batch norm before the positions, and no weight norm in them")
    ] = False
    num_buckets: Annotated[
        int, Field(description="WavLM: distances that are told apart, both ways", ge=4, le=65_536)
    ] = 320
    max_bucket_distance: Annotated[
        int, Field(description="WavLM: frames from which all distances are one", ge=2, le=100_000)
    ] = 800
    position_embeddings_type: Annotated[
        Literal["relative", "rotary"] | None, Field(description="Conformer: how attention knows of distances")
    ] = "relative"
    rotary_embedding_base: Annotated[int, Field(description="Conformer: of its wave lengths", ge=2, le=10**9)] = (
        10_000
    )
    conv_depthwise_kernel_size: Annotated[
        int, Field(description="Conformer: frames that a layer's convolution sees", ge=1, le=1023)
    ] = 31
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
        """A kind knows nothing of the others' own settings, whatever a config says."""
        if isinstance(settings, dict):
            kind = settings.get("model_type")
            strange = {name for other, names in _OWN.items() if other != kind for name in names}
            rest = {key: settings[key] for key in settings.keys() - strange}
            if kind == DATA2VEC:
                return {"num_conv_pos_embeddings": 5, **rest, "feat_extract_norm": "layer", **_PLAIN}
            return rest | _PLAIN if kind == CONFORMER else rest
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
        if self.model_type == DATA2VEC and self.num_conv_pos_embeddings > _MAX_POSITIONAL:
            raise ValueError(f"num_conv_pos_embeddings must be {_MAX_POSITIONAL} at most")
        if self.conv_depthwise_kernel_size % 2 == 0:
            raise ValueError("conv_depthwise_kernel_size must be odd")
        if self.model_type == CONFORMER and self.hidden_size // self.num_attention_heads % 2:
            raise ValueError("hidden_size must be an even multiple of num_attention_heads")
        if self.max_bucket_distance <= self.num_buckets // 4:
            raise ValueError("max_bucket_distance must be over a quarter of num_buckets")
        return self


class _Preprocessor(BaseModel):
    """What is done to the waveform before; Wav2Vec2FeatureExtractor's settings."""

    model_config = ConfigDict(frozen=True)

    do_normalize: Annotated[bool, Field(description="bring it to zero mean and unit variance")] = True
    sampling_rate: Annotated[Literal[16_000], Field(description="samples a second")] = 16_000
    feature_size: Annotated[Literal[1], Field(description="channels")] = 1


@dataclass(frozen=True, kw_only=True)
class Wav2Vec2Snapshot(LabelledSnapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
        architecture: `HEADLESS`, `SEQUENCE`, `SPEECH` or `CTC`.
        normalize: whether the waveform is brought to zero mean and unit variance.
    """

    config: ModelConfig
    architecture: str
    normalize: bool

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return Grid.of(self.config.convolutions)

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
    return path.exists() and read_json(path).get("model_type") in list(PREFIXES)


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
        raise ModelError(f"{directory} has no {CONFIG_FILE} of the model_type {' or '.join(PREFIXES)}")
    settings = read_json(directory / CONFIG_FILE)
    architecture = _architecture(settings)
    try:
        config = ModelConfig.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE) from error
    try:
        preprocessor = _Preprocessor.model_validate(read_json(directory / PREPROCESSOR_FILE))
    except ValidationError as error:
        raise refusal(error, PREPROCESSOR_FILE) from error
    activation: Activation = "softmax"
    names: tuple[str, ...] = ()
    if architecture != HEADLESS:
        names = read_labels(settings.get("id2label"))
        if (pooling := settings.get("pooling_mode")) not in (None, "mean"):
            raise ModelError(
                f"{CONFIG_FILE}: pooling_mode is {pooling!r:.50}: only heads on the mean of the frames can be "
                "computed"
            )
        activation = activation_of(settings.get("problem_type"), names)
    emotions = read_emotions(directory, () if activation == "none" else names, labels or {})
    return Wav2Vec2Snapshot(
        directory=directory,
        weights=find_weights(directory),
        config=config,
        architecture=architecture,
        labels=names,
        emotions=emotions,
        activation=activation,
        normalize=preprocessor.do_normalize,
    )


def _architecture(settings: Mapping[str, Any]) -> str:
    """Which of the classes that are computed it is of, without what its name begins with."""
    prefix, classes = PREFIXES[settings["model_type"]], settings.get("architectures")
    name = classes[0] if isinstance(classes, list) and len(classes) == 1 else classes
    if name == _ALSO_SPEECH:
        return SPEECH
    for ending in (HEADLESS, SEQUENCE, SPEECH, CTC):
        if name == prefix + ending and (ending != CTC or settings.get("id2label") is not None):
            return ending
    names = " ".join((", ".join(map(str, classes)) if isinstance(classes, list) else str(classes)).split())
    raise ModelError(
        f"{CONFIG_FILE} is of the class {names:.100}, which can't be computed; {prefix}{SEQUENCE} and "
        f"{prefix}{SPEECH} can, with their heads (and {prefix}{CTC}, if id2label names emotions), and "
        f"{prefix}{HEADLESS}, which has none: name it there to have embeddings alone"
    )
