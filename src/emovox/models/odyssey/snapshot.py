"""Reading a snapshot of an Odyssey 2024 baseline: config.json, and the sizes of its encoder from the weights.

config.json names the encoder (`ssl_type`) and leaves its settings to that model's own repository. So what no
weight's shape tells (how the norms stand, how far a convolution steps, where distances become one) is written here
for the encoders that are known, and every size is that of the checkpoint.

The waveform is normalised by two numbers of config.json. The preprocessor_config.json that the published model of
three values has beside it, `{"mean": 10}`, is read by nobody, nor is it here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.errors import ModelError
from emovox.models.checkpoints.shards import read_state
from emovox.models.readout import Activation
from emovox.models.settings_file import read_json
from emovox.models.snapshot import Grid, refusal
from emovox.models.transformers import (
    ACTIVATIONS,
    AFFECTS,
    CONFIG_FILE,
    LabelledSnapshot,
    find_weights,
    read_emotions,
    read_labels,
)
from emovox.models.wav2vec2.snapshot import ModelConfig
from emovox.models.wav2vec2.weights import encoder_sizes

MODEL_TYPE, ARCHITECTURE = "ser", "SERModel"
ENCODER = "ssl_model."
"""What the names of the encoder's weights begin with."""

# https://huggingface.co/microsoft/wavlm-large/blob/main/config.json and so on; what isn't said is WavLM's default.
_ENCODERS: dict[str, dict[str, Any]] = {
    "microsoft/wavlm-base": {},
    "microsoft/wavlm-large": {
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "intermediate_size": 4096,
    },
}


class OdysseyConfig(BaseModel):
    """The settings of config.json that decide what the model computes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    ssl_type: Annotated[str, Field(description="the encoder, by its name on Hugging Face")]
    hidden_size: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)]
    num_hidden_layers: Annotated[int, Field(description="transformer layers", ge=1, le=128)]
    num_attention_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)]
    classifier_hidden_layers: Annotated[int, Field(description="layers of the head but its last", ge=1, le=64)]
    num_classes: Annotated[int, Field(description="outputs of the head", ge=1, le=1000)]
    mean: Annotated[float, Field(description="taken from each sample", ge=-1, le=1)]
    std: Annotated[float, Field(description="each sample is divided by this", ge=0, le=10)]
    sampling_rate: Annotated[Literal[16_000], Field(description="samples a second")] = 16_000

    @model_validator(mode="after")
    def _check(self) -> "OdysseyConfig":
        if self.ssl_type not in _ENCODERS:
            raise ValueError(f"ssl_type is {self.ssl_type!r:.50}; it can be {' or '.join(_ENCODERS)}")
        return self


@dataclass(frozen=True, kw_only=True)
class OdysseySnapshot(LabelledSnapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
    """

    config: OdysseyConfig

    @cached_property
    def encoder(self) -> ModelConfig:
        """The encoder's settings, with the sizes of its weights.

        Raises:
            ModelError: the checkpoint can't be read, or its sizes are none that are computed.
        """
        config = self.config
        settings = {
            "model_type": "wavlm",
            **_ENCODERS[config.ssl_type],
            **encoder_sizes(read_state(self.weights), ENCODER),
            **config.model_dump(include={"hidden_size", "num_hidden_layers", "num_attention_heads"}),
        }
        try:
            return ModelConfig.model_validate(settings)
        except ValidationError as error:
            raise refusal(error, self.weights.name) from error

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return Grid.of(self.encoder.convolutions)

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
    return path.exists() and read_json(path).get("model_type") == MODEL_TYPE


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> OdysseySnapshot:
    """Read the settings and labels of a snapshot, and see that the weights are there.

    What its config alone tells is refused before the weights are looked for.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others; its own file of them goes before.

    Raises:
        ModelError: a file is missing, unreadable, or says what can't be computed.
    """
    settings = read_json(directory / CONFIG_FILE)
    if settings.get("model_type") != MODEL_TYPE or settings.get("architectures") != [ARCHITECTURE]:
        raise ModelError(
            f"{CONFIG_FILE} is not of the model_type {MODEL_TYPE} and the class {ARCHITECTURE}, the only one of "
            "that type that can be computed"
        )
    try:
        config = OdysseyConfig.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE) from error
    names = read_labels(settings.get("id2label"))
    if len(names) != config.num_classes:
        raise ModelError(
            f"{CONFIG_FILE}: id2label names {len(names)} outputs, and num_classes is {config.num_classes}"
        )
    activation = _activation(settings.get("problem_type"), names)
    return OdysseySnapshot(
        directory=directory,
        weights=find_weights(directory),
        config=config,
        labels=names,
        emotions=read_emotions(directory, () if activation == "none" else names, labels or {}),
        activation=activation,
    )


def _activation(kind: object, names: tuple[str, ...]) -> Activation:
    """What becomes of the head's logits: published configs don't say it, but by the names of the outputs.

    Raises:
        ModelError: these don't tell.
    """
    if isinstance(kind, str) and kind in ACTIVATIONS:
        return ACTIVATIONS[kind]
    affects = {name.strip().lower() for name in names} & AFFECTS
    if kind is not None or (affects and len(affects) < len(names)) or (len(names) == 1 and not affects):
        raise ModelError(
            f"{CONFIG_FILE}: problem_type is {kind!r:.50}, and id2label doesn't tell classes from values: name "
            f"several classes there, or of {', '.join(sorted(AFFECTS))} alone"
        )
    return "none" if affects else "softmax"
