"""Reading a snapshot of a Whisper classifier: config.json, preprocessor_config.json and the weights.

Only the settings that decide what the encoder and the head compute are read; where one is left out, transformers'
own default holds. A snapshot comes from somewhere else, so every number has a range.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.errors import ModelError
from emovox.models.readout import Activation, Readout
from emovox.models.settings_file import read_json
from emovox.models.snapshot import Grid, refusal
from emovox.models.transformers import (
    CONFIG_FILE,
    PREPROCESSOR_FILE,
    LabelledSnapshot,
    activation_of,
    find_weights,
    read_emotions,
    read_labels,
)

MODEL_TYPE = "whisper"
CLASSIFIER, HEADLESS = "WhisperForAudioClassification", "WhisperModel"
"""The classes that are computed; of the second the encoder alone."""
POSITIONS_A_SECOND = 50
GRID = Grid(hop=320, minimum_samples=160, first_centre=0)
"""Of all sizes: a position is every other step of the spectrogram, which are around multiples of 160 samples."""

_MAX_PREPROCESSOR = 2_000_000  # bytes; early ones hold all mel filters, some 400 kB


class WhisperConfig(BaseModel):
    """The settings of config.json that decide what the encoder and the head compute."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    num_mel_bins: Annotated[int, Field(description="bands of the spectrogram", ge=1, le=256)] = 80
    d_model: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)] = 384
    encoder_layers: Annotated[int, Field(description="transformer layers", ge=1, le=128)] = 4
    encoder_attention_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)] = 6
    encoder_ffn_dim: Annotated[int, Field(description="width of a layer's middle", ge=1, le=65_536)] = 1536
    max_source_positions: Annotated[int, Field(description="positions seen at once", ge=1, le=1500)] = 1500
    activation_function: Annotated[Literal["gelu"], Field(description="of a layer's middle")] = "gelu"
    use_weighted_layer_sum: Annotated[bool, Field(description="the head sees all layers, not the last")] = False
    classifier_proj_size: Annotated[int, Field(description="width of the head's middle", ge=1, le=8192)] = 256

    @model_validator(mode="after")
    def _check(self) -> "WhisperConfig":
        if self.d_model % self.encoder_attention_heads:
            raise ValueError("d_model must be a multiple of encoder_attention_heads")
        return self


class _Preprocessor(BaseModel):
    """How the spectrogram is made; WhisperFeatureExtractor's settings."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    feature_size: Annotated[int, Field(description="bands of the spectrogram")] = 80
    sampling_rate: Annotated[Literal[16_000], Field(description="samples a second")] = 16_000
    hop_length: Annotated[Literal[160], Field(description="samples from one spectrum to the next")] = 160
    n_fft: Annotated[Literal[400], Field(description="samples of a spectrum")] = 400
    chunk_length: Annotated[int, Field(description="seconds that are seen at once")] = 30
    padding_value: Annotated[float, Field(description="of the padding", ge=0, le=0)] = 0
    dither: Annotated[float, Field(description="noise that is added", ge=0, le=0)] = 0


@dataclass(frozen=True, kw_only=True)
class WhisperSnapshot(LabelledSnapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
    """

    config: WhisperConfig

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """What the head gives, if there is one."""
        return (self.readout("linear"),) if self.labels else ()

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return GRID

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.config.d_model


def is_snapshot(directory: Path) -> bool:
    """Whether a folder has the config of a model of this family.

    Raises:
        ModelError: it has a config.json that can't be read.
    """
    path = directory / CONFIG_FILE
    return path.exists() and read_json(path).get("model_type") == MODEL_TYPE


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> WhisperSnapshot:
    """Read the settings and labels of a snapshot, and see that the weights are there.

    What its config alone tells is refused before the weights are looked for.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others; its own file of them goes before.

    Raises:
        ModelError: a file is missing, unreadable, or says what can't be computed.
    """
    settings = read_json(directory / CONFIG_FILE)
    headless = _is_headless(settings)
    try:
        config = WhisperConfig.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE) from error
    _check_preprocessor(directory, config)
    names = () if headless else read_labels(settings.get("id2label"))
    activation: Activation = "softmax" if headless else activation_of(settings.get("problem_type"), names)
    return WhisperSnapshot(
        directory=directory,
        weights=find_weights(directory),
        config=config,
        labels=names,
        emotions=read_emotions(directory, () if activation == "none" else names, labels or {}),
        activation=activation,
    )


def _is_headless(settings: Mapping[str, Any]) -> bool:
    classes = settings.get("architectures")
    if classes not in ([CLASSIFIER], [HEADLESS]):
        names = " ".join((", ".join(map(str, classes)) if isinstance(classes, list) else str(classes)).split())
        raise ModelError(
            f"{CONFIG_FILE} is of the class {names:.100}, which can't be computed; {CLASSIFIER} can, and "
            f"of {HEADLESS} the encoder: name it there to have embeddings alone"
        )
    return bool(classes == [HEADLESS])


def _check_preprocessor(directory: Path, config: WhisperConfig) -> None:
    """Refuse another spectrogram than Whisper's, or one that its encoder doesn't take.

    Raises:
        ModelError: as said, or there is no file that says it.
    """
    try:
        settings = read_json(directory / PREPROCESSOR_FILE, limit=_MAX_PREPROCESSOR)
        preprocessor = _Preprocessor.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, PREPROCESSOR_FILE) from error
    for setting, is_, should in (
        ("feature_size", preprocessor.feature_size, config.num_mel_bins),
        ("chunk_length", preprocessor.chunk_length * POSITIONS_A_SECOND, config.max_source_positions),
    ):
        if is_ != should:
            other = {"feature_size": "num_mel_bins", "chunk_length": "max_source_positions"}[setting]
            raise ModelError(
                f"{PREPROCESSOR_FILE}: {setting} doesn't fit {other} in {CONFIG_FILE}: {is_}, not {should}"
            )
