"""Reading a snapshot of SenseVoiceSmall: config.yaml, am.mvn and model.pt.

FunASR takes the vocabulary from a SentencePiece model beside them. Its class has the numbers of some emotions'
tokens in its code, and all that are needed stand here likewise, so that nothing reads that file. A snapshot comes
from somewhere else, so every number has a range.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emovox.errors import ModelError
from emovox.models.layout import FUNASR
from emovox.models.readout import EMOTION, Readout
from emovox.models.settings_file import read_text, read_yaml
from emovox.models.snapshot import Grid, Snapshot, refusal

CONFIG_FILE = FUNASR.config
CMVN_FILE = "am.mvn"
WEIGHTS_FILE = "model.pt"
CLASS = "SenseVoiceSmall"
EVENT = "event"
"""The name of the readout of sounds beside speech."""

WINDOW, STEP = 400, 160
"""Samples of a spectrum, and from one to the next."""


class Token(NamedTuple):
    """A token of the vocabulary, `<|label|>`."""

    number: int
    label: str
    emotion: str = ""
    """Which of the nine it is."""


# Their numbers: `emo_dict` of funasr/models/sense_voice/model.py (1.4.16) has five of the emotions'; all of them
# stand in tests/python_tests/utils/sensevoice.py of https://github.com/openvinotoolkit/openvino.genai, "verified
# against the SenseVoiceSmall SentencePiece model".
EMOTIONS = (
    Token(25001, "HAPPY", "happy"),
    Token(25002, "SAD", "sad"),
    Token(25003, "ANGRY", "angry"),
    Token(25004, "NEUTRAL", "neutral"),
    Token(25005, "FEARFUL", "fearful"),
    Token(25006, "DISGUSTED", "disgusted"),
    Token(25007, "SURPRISED", "surprised"),
    Token(25008, "OTHER", "other"),
    Token(25009, "EMO_UNKNOWN", "unknown"),
)
EVENTS = (
    Token(24993, "Speech"),
    Token(24995, "BGM"),
    Token(24997, "Laughter"),
    Token(24999, "Applause"),
    Token(25010, "Cry"),
    Token(25011, "Sneeze"),
    Token(25012, "Breath"),
    Token(25013, "Cough"),
    Token(25014, "Sing"),
    Token(25015, "Speech_Noise"),
    Token(25018, "GBG"),
    Token(25019, "Event_UNK"),
)
LEAST_VOCABULARY = EVENTS[-1].number + 1
READOUTS = tuple(
    Readout(
        name=name,
        kind="window",
        activation="softmax",
        labels=tuple(token.label for token in tokens),
        emotions={token.label: token.emotion for token in tokens if token.emotion},
    )
    for name, tokens in ((EMOTION, EMOTIONS), (EVENT, EVENTS))
)


class EncoderConfig(BaseModel):
    """The settings under ``encoder_conf`` that decide what the encoder computes, with FunASR's own defaults."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    output_size: Annotated[int, Field(description="D, width of an embedding", ge=1, le=8192)] = 256
    attention_heads: Annotated[int, Field(description="attention heads", ge=1, le=256)] = 4
    linear_units: Annotated[int, Field(description="width of a layer's middle", ge=1, le=65_536)] = 2048
    num_blocks: Annotated[int, Field(description="layers, the first among them", ge=1, le=128)] = 6
    tp_blocks: Annotated[int, Field(description="layers after the first norm", ge=0, le=128)] = 0
    kernel_size: Annotated[int, Field(description="frames that a memory sees", ge=1, le=255)] = 11
    sanm_shfit: Annotated[int, Field(description="by how many it sees more of the past", ge=0, le=127)] = 0

    @property
    def past(self) -> int:
        """Frames before its own that a memory sees."""
        return (self.kernel_size - 1) // 2 + self.sanm_shfit

    @model_validator(mode="after")
    def _check(self) -> "EncoderConfig":
        if self.output_size % self.attention_heads:
            raise ValueError("output_size must be a multiple of attention_heads")
        if self.past >= self.kernel_size:
            raise ValueError("sanm_shfit must leave the memory its own frame")
        return self


class FrontendConfig(BaseModel):
    """The settings under ``frontend_conf``: how a frame is made of the waveform.

    ``dither``, the noise that FunASR adds, isn't read: none is added here.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    fs: Annotated[Literal[16_000], Field(description="samples a second")] = 16_000
    window: Annotated[Literal["hamming"], Field(description="of a spectrum")] = "hamming"
    n_mels: Annotated[int, Field(description="bands", ge=1, le=128)] = 80
    frame_length: Annotated[Literal[25], Field(description="milliseconds of a spectrum")] = 25
    frame_shift: Annotated[Literal[10], Field(description="milliseconds from one to the next")] = 10
    lfr_m: Annotated[int, Field(description="spectra of a frame", ge=1, le=64)] = 1
    lfr_n: Annotated[int, Field(description="spectra from one frame to the next", ge=1, le=64)] = 1
    snip_edges: Annotated[Literal[True], Field(description="no spectrum reaches beyond the ends")] = True
    upsacle_samples: Annotated[Literal[True], Field(description="full scale is 2 ** 15")] = True

    @property
    def width(self) -> int:
        """Numbers of a frame."""
        return self.n_mels * self.lfr_m

    @property
    def past(self) -> int:
        """Spectra of a frame before its own."""
        return (self.lfr_m - 1) // 2

    @property
    def grid(self) -> Grid:
        """Where the frames lie."""
        middle = (self.lfr_m - 1) / 2 - self.past
        return Grid(STEP * self.lfr_n, WINDOW, WINDOW / 2 + STEP * middle)

    @model_validator(mode="after")
    def _check(self) -> "FrontendConfig":
        if self.lfr_m < self.lfr_n:
            raise ValueError("lfr_m must not be less than lfr_n")
        if self.width % 2 or self.width < 4:  # half of them get sines as positions, half cosines
            raise ValueError("n_mels times lfr_m must be an even number, and more than 2")
        return self


@dataclass(frozen=True, kw_only=True)
class SenseVoiceSnapshot(Snapshot):
    """A snapshot of the family.

    Attributes:
        encoder: what the encoder computes.
        frontend: how frames are made.
        cmvn: float32 (2, width), what is added to each number of a frame, and what that is multiplied by then.
    """

    encoder: EncoderConfig
    frontend: FrontendConfig
    cmvn: npt.NDArray[np.float32]

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return self.frontend.grid

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.encoder.output_size


def is_snapshot(directory: Path) -> bool:
    """Whether a folder has the config of a model of this family."""
    path = directory / CONFIG_FILE
    try:
        return path.exists() and read_yaml(path).get("model") == CLASS
    except ModelError:
        return False  # which another family, whose files are called so, will say


def read_snapshot(directory: Path) -> SenseVoiceSnapshot:
    """Read the settings of a snapshot, and check that the weights are there.

    Raises:
        ModelError: a file is missing, unreadable, or asks for what can't be computed.
    """
    weights = FUNASR.weights_among(path.name for path in directory.glob("*.pt") if path.is_file())
    if len(weights) != 1:
        raise ModelError(f"{directory} is not a snapshot: it has no {WEIGHTS_FILE}")
    settings = read_yaml(directory / CONFIG_FILE)
    for name, known in (("encoder", "SenseVoiceEncoderSmall"), ("frontend", "WavFrontend")):
        if settings.get(name) != known:
            raise ModelError(f"{CONFIG_FILE}: {name} is {settings.get(name)!r:.100}; only {known} can be computed")
    if settings.get("normalize") is not None:
        raise ModelError(f"{CONFIG_FILE}: normalize is set, and only {CMVN_FILE} can be computed")
    frontend = _read(FrontendConfig, settings, "frontend_conf")
    return SenseVoiceSnapshot(
        directory=directory,
        weights=directory / weights[0],
        encoder=_read(EncoderConfig, settings, "encoder_conf"),
        frontend=frontend,
        cmvn=_read_cmvn(directory / CMVN_FILE, frontend.width),
    )


def _read(kind: Any, settings: dict[str, Any], name: str) -> Any:
    try:
        return kind.model_validate(settings.get(name) or {})
    except ValidationError as error:
        raise refusal(error, CONFIG_FILE, name) from error


def _read_cmvn(path: Path, width: int) -> npt.NDArray[np.float32]:
    """Kaldi's text of two layers of a network, a shift and a scale, (2, width).

    Raises:
        ModelError: it can't be read, or has other numbers than so many.
    """
    lines = [line.split() for line in read_text(path).splitlines()]
    rows = []
    for layer in ("<AddShift>", "<Rescale>"):
        index = next((index for index, words in enumerate(lines[:-1]) if words[:1] == [layer]), None)
        words = [] if index is None else lines[index + 1]
        try:
            if words[:1] != ["<LearnRateCoef>"]:
                raise ValueError("no such layer")
            with np.errstate(over="ignore"):
                rows.append(np.array(words[3:-1], np.float64).astype(np.float32))
        except ValueError as error:
            raise ModelError(f"{path.name} has no numbers after {layer}") from error
        if rows[-1].shape != (width,) or not np.isfinite(rows[-1]).all():
            raise ModelError(
                f"{path.name} must have {width} finite numbers after {layer}, as {CONFIG_FILE} has it"
            )
    return np.stack(rows)
