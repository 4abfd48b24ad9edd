"""Reading a snapshot of Vox-Profile: config.json, and the sizes of its encoder from the weights.

config.json holds what the authors' class was made with, and names the encoder alone (`pretrain_model`). What no
weight's shape tells is written here for the encoders that are known: Whisper's see 15 s, their heads are 64
channels wide as WavLM's are. It names no labels either: the nine classes and the three values are those of the
authors' examples. A fourth head has 17 classes whose names are published nowhere: it is left out.

The class that gives only values saves the other heads, too, and never trained them; it is told by its setting
`predict_gender`, which the other class hasn't.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Shape, Tensor
from emovox.models.readout import Readout
from emovox.models.settings_file import read_json
from emovox.models.snapshot import Grid, Snapshot, refusal
from emovox.models.transformers import CONFIG_FILE, find_weights, read_emotions, read_labels, readout_of
from emovox.models.wav2vec2.snapshot import ModelConfig
from emovox.models.wav2vec2.weights import encoder_sizes
from emovox.models.whisper.snapshot import GRID, POSITIONS_A_SECOND, WhisperConfig

BACKBONE = "backbone_model."
"""What the names of the encoder's weights begin with."""
EMOTIONS = "emotion_layer"
LABELS = ("Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise", "Other")
"""Of the nine classes, in the order of https://github.com/tiantiaf0627/vox-profile-release, src/example."""
VALUES = ("arousal", "valence", "dominance")
"""Each has a head of its own, `NAME_layer`."""

_HEAD_WIDTH = 64
_SECONDS = 15
# https://huggingface.co/microsoft/wavlm-large/blob/main/config.json and so on; what isn't said is WavLM's default.
_WAVLM: dict[str, dict[str, Any]] = {
    "wavlm": {},
    "wavlm_large": {"feat_extract_norm": "layer", "do_stable_layer_norm": True},
}


class VoxProfileConfig(BaseModel):
    """The settings of config.json that decide what the model computes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    # Whisper medium isn't among them: their class makes it for 30 s, and gives it 15.
    pretrain_model: Literal[
        "whisper_tiny", "whisper_base", "whisper_small", "whisper_large", "wavlm", "wavlm_large"
    ]
    hidden_dim: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)] = 256
    output_class_num: Annotated[int, Field(description="classes", ge=2, le=1000)] = 4
    use_conv_output: Annotated[bool, Field(description="WavLM: the first layer's input is summed, too")] = True
    predict_gender: Annotated[bool | None, Field(description="None: the class gives emotions")] = None

    @property
    def is_whisper(self) -> bool:
        """Whether the encoder is Whisper's; otherwise it is WavLM's."""
        return self.pretrain_model.startswith("whisper")


@dataclass(frozen=True, kw_only=True)
class VoxProfileSnapshot(Snapshot):
    """A snapshot of the family.

    Attributes:
        config: what the model computes.
        labels: of its classes.
        emotions: which of the nine they are; those that are none of them are left out.
    """

    config: VoxProfileConfig
    labels: tuple[str, ...]
    emotions: dict[str, str]

    @cached_property
    def state(self) -> Mapping[str, Tensor | Inert]:
        """What the checkpoint holds.

        Raises:
            ModelError: it can't be read.
        """
        return read_state(self.weights)

    @cached_property
    def encoder(self) -> WhisperConfig | ModelConfig:
        """The encoder's settings, with the sizes of its weights.

        Raises:
            ModelError: the checkpoint can't be read, or its sizes are none that are computed.
        """
        try:
            if self.config.is_whisper:
                return WhisperConfig.model_validate(_whisper_sizes(self.state))
            sizes = encoder_sizes(self.state, BACKBONE)
            width = sizes.get("hidden_size", 0)
            settings = {"model_type": "wavlm", "num_attention_heads": width // _HEAD_WIDTH, **sizes}
            return ModelConfig.model_validate(settings | _WAVLM[self.config.pretrain_model])
        except ValidationError as error:
            raise refusal(error, self.weights.name) from error

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """What its heads give."""
        values = readout_of("pooled", "none", VALUES, {})
        if self.config.predict_gender is not None or not any(name.startswith(EMOTIONS) for name in self.state):
            return (values,)
        return readout_of("pooled", "softmax", self.labels, self.emotions), values

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return GRID if isinstance(self.encoder, WhisperConfig) else Grid.of(self.encoder.convolutions)

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.config.hidden_dim


def is_snapshot(directory: Path) -> bool:
    """Whether a folder has the config of a model of this family.

    Raises:
        ModelError: it has a config.json that can't be read.
    """
    path = directory / CONFIG_FILE
    return path.exists() and {"pretrain_model", "finetune_method"} <= read_json(path).keys()


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> VoxProfileSnapshot:
    """Read the settings of a snapshot, and see that the weights are there.

    What its config alone tells is refused before the weights are looked for.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others; its own file of them goes before.

    Raises:
        ModelError: a file is missing, unreadable, or says what can't be computed.
    """
    settings = read_json(directory / CONFIG_FILE)
    try:
        config = VoxProfileConfig.model_validate(settings)
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE) from error
    names = read_labels(settings["id2label"]) if "id2label" in settings else LABELS
    if config.predict_gender is None and len(names) != config.output_class_num:
        raise ModelError(
            f"{CONFIG_FILE} has {config.output_class_num} classes and names none: write them there as id2label, "
            f'such as {{"0": "Anger", "1": …}}; those of the published models of {len(LABELS)} are known'
        )
    return VoxProfileSnapshot(
        directory=directory,
        weights=find_weights(directory),
        config=config,
        labels=names,
        emotions=read_emotions(directory, names, labels or {}),
    )


def _whisper_sizes(state: Mapping[str, Tensor | Inert]) -> dict[str, Any]:
    """The sizes of an encoder of Whisper's, by the shapes of its weights."""

    def shape(name: str, dimensions: int) -> Shape | None:
        tensor = state.get(f"{BACKBONE}encoder.{name}")
        if tensor is None or isinstance(tensor, Inert) or len(tensor.shape) != dimensions:
            return None  # which is then missing, or misshapen
        return tensor.shape

    sizes: dict[str, Any] = {"max_source_positions": _SECONDS * POSITIONS_A_SECOND}
    if kernel := shape("conv1.weight", 3):
        sizes |= {"d_model": kernel[0], "num_mel_bins": kernel[1]}
        sizes["encoder_attention_heads"] = kernel[0] // _HEAD_WIDTH
    if middle := shape("layers.0.fc1.weight", 2):
        sizes["encoder_ffn_dim"] = middle[0]
    layers = 0
    while shape(f"layers.{layers}.fc1.weight", 2):
        layers += 1
    return sizes | {"encoder_layers": layers}
