"""Reading a snapshot of SpeechBrain's: hyperparams.yaml, label_encoder.txt, model.ckpt and wav2vec2.ckpt.

hyperparams.yaml is HyperPyYAML: its tags name classes to be made and functions to be called. Nothing is: the file
is read as data, and what it says must be what is computed here, or it is refused.

It names the encoder by its place on Hugging Face and says nothing of its sizes: those are read off the weights.
What no weight's shape tells is written here for the one encoder that is known; another's config.json can be put
beside it.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emovox.errors import ModelError
from emovox.models.checkpoints.pickled import Inert
from emovox.models.checkpoints.shards import read_state
from emovox.models.checkpoints.tensor import Tensor
from emovox.models.layout import SPEECHBRAIN
from emovox.models.readout import Readout
from emovox.models.settings_file import Tagged, read_json, read_text, read_yaml
from emovox.models.snapshot import Grid, Snapshot, is_label, refusal
from emovox.models.transformers import CONFIG_FILE, read_emotions, readout_of
from emovox.models.wav2vec2.snapshot import PREFIXES, ModelConfig
from emovox.models.wav2vec2.weights import encoder_sizes

SETTINGS_FILE = SPEECHBRAIN.config
LABELS_FILE = "label_encoder.txt"
HEAD_FILE = "model.ckpt"
WEIGHTS_FILE = "wav2vec2.ckpt"
ENCODER = "model."
"""What the names of the encoder's weights begin with."""

_KNOWN = {"facebook/wav2vec2-base"}
"""Encoders with the settings that are transformers' defaults, but for their sizes."""
_ENCODERS = tuple(
    f"new:speechbrain.{name}"
    for name in (
        "lobes.models.huggingface_wav2vec.HuggingFaceWav2Vec2",
        "lobes.models.huggingface_transformers.wav2vec2.Wav2Vec2",
        "integrations.huggingface.wav2vec2.Wav2Vec2",
    )
)
# Of each part: its classes, and its settings that may stand there; None: of any value, as it changes nothing here.
_PARTS: dict[str, tuple[tuple[str, ...], dict[str, tuple[Any, ...] | None]]] = {
    "wav2vec2": (
        _ENCODERS,
        {
            "source": None,
            "output_norm": (True, False),
            "output_all_hiddens": (False,),
            "freeze": None,
            "freeze_feature_extractor": None,
            "apply_spec_augment": None,
            "pretrain": None,
            "save_path": None,
        },
    ),
    "avg_pool": (
        ("new:speechbrain.nnet.pooling.StatisticsPooling",),
        {"return_mean": (True,), "return_std": (False,)},
    ),
    "output_mlp": (
        ("new:speechbrain.nnet.linear.Linear",),
        {"input_size": None, "n_neurons": None, "bias": (True, False), "max_norm": (None,)},
    ),
}
_MAX_HEAD = 10_000_000  # bytes; the published one has 13 kB
_MAX_LABELS = 1000
_END_OF_LABELS = "======"


@dataclass(frozen=True, kw_only=True)
class SpeechBrainSnapshot(Snapshot):
    """A snapshot of the family.

    Attributes:
        output_norm: whether the frames of a window are brought to zero mean and unit variance, all together.
        bias: whether the head has one.
        labels: of the head's rows.
        emotions: which of the nine they are; those that are none of them are left out.
        given: the encoder's settings, where a config.json says them.
    """

    output_norm: bool
    bias: bool
    labels: tuple[str, ...]
    emotions: dict[str, str]
    given: ModelConfig | None

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the weights: the encoder's and the head's."""
        return self.weights, self.directory / HEAD_FILE

    @cached_property
    def state(self) -> Mapping[str, Tensor | Inert]:
        """What the encoder's checkpoint holds.

        Raises:
            ModelError: it can't be read.
        """
        return read_state(self.weights)

    @cached_property
    def encoder(self) -> ModelConfig:
        """The encoder's settings.

        Raises:
            ModelError: the checkpoint can't be read, or its sizes are none that are computed.
        """
        if self.given is not None:
            return self.given
        try:
            return ModelConfig.model_validate({"model_type": "wav2vec2", **encoder_sizes(self.state, ENCODER)})
        except ValidationError as error:
            raise refusal(error, self.weights.name) from error

    @property
    def readout(self) -> Readout:
        """What the head gives."""
        return readout_of("linear", "softmax", self.labels, self.emotions)

    @property
    def grid(self) -> Grid:
        """Where its frames lie."""
        return Grid.of(self.encoder.convolutions)

    @property
    def embedding_size(self) -> int:
        """D, width of an embedding."""
        return self.encoder.hidden_size


def is_snapshot(directory: Path) -> bool:
    """Whether a folder has the settings of a model of SpeechBrain's, whatever they say."""
    return (directory / SETTINGS_FILE).exists()


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> SpeechBrainSnapshot:
    """Read the settings and labels of a snapshot, and see that the weights are there.

    What its settings alone tell is refused before the weights are looked for.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others; its own file of them goes before.

    Raises:
        ModelError: a file is missing, unreadable, or says what can't be computed.
    """
    settings = read_yaml(directory / SETTINGS_FILE, tags=True)
    parts = {name: _part(settings, name) for name in _PARTS}
    modules = settings.get("modules")
    if not isinstance(modules, dict) or modules.keys() != _PARTS.keys():
        listing = ", ".join(map(str, modules)) if isinstance(modules, dict) else str(modules)
        raise ModelError(f"{SETTINGS_FILE}: modules are {listing:.100}; only {', '.join(_PARTS)} can be computed")
    encoder = _encoder_config(directory, parts["wav2vec2"].get("source"))
    names = _read_labels(directory / LABELS_FILE)
    outputs = parts["output_mlp"].get("n_neurons")
    if outputs != len(names):
        raise ModelError(f"{LABELS_FILE} names {len(names)} classes, and {SETTINGS_FILE} has {outputs!r:.50}")
    for name, most in ((WEIGHTS_FILE, None), (HEAD_FILE, _MAX_HEAD)):
        path = directory / name
        if not path.is_file():
            raise ModelError(f"{directory} is not a snapshot: it has no {name}")
        if most is not None and path.stat().st_size > most:
            raise ModelError(f"{name} is over {most // 1_000_000} MB, too large for a layer of {outputs} classes")
    return SpeechBrainSnapshot(
        directory=directory,
        weights=directory / WEIGHTS_FILE,
        output_norm=bool(parts["wav2vec2"].get("output_norm", False)),
        bias=bool(parts["output_mlp"].get("bias", True)),
        labels=names,
        emotions=read_emotions(directory, names, labels or {}),
        given=encoder,
    )


def _part(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The settings of a part, with what `!ref <NAME>` means in its place.

    Raises:
        ModelError: it is of another class, or has settings that aren't computed.
    """
    classes, allowed = _PARTS[name]
    part = settings.get(name)
    if not isinstance(part, Tagged) or part.tag not in classes:
        tag = f"!{part.tag}" if isinstance(part, Tagged) else repr(part)
        raise ModelError(f"{SETTINGS_FILE}: {name} is {tag:.100}; only !{classes[-1]} can be computed")
    arguments = part.value if isinstance(part.value, dict) else {}
    values = {key: _resolved(settings, value) for key, value in arguments.items()}
    for key, value in values.items():
        choices = allowed.get(key, ())
        if choices is not None and not any(value is one for one in choices):
            raise ModelError(f"{SETTINGS_FILE}: {name}.{key!s:.50} is {value!r:.100}, which can't be computed")
    if name == "avg_pool" and "return_std" not in values:
        raise ModelError(f"{SETTINGS_FILE}: avg_pool.return_std must be False")
    return values


def _resolved(settings: Mapping[str, Any], value: Any) -> Any:
    """What a reference to another setting means, if that is plain; else the value itself."""
    if isinstance(value, Tagged) and value.tag == "ref" and isinstance(value.value, str):
        other = settings.get(value.value.strip().removeprefix("<").removesuffix(">"))
        return other if isinstance(other, str | int | float) else value
    return value


def _encoder_config(directory: Path, source: object) -> ModelConfig | None:
    """The encoder's settings by its own config.json; None: there is none, and it is one that is known.

    Raises:
        ModelError: it isn't known, or the file says what can't be computed.
    """
    path = directory / CONFIG_FILE
    settings = read_json(path) if path.exists() else {}
    if settings.get("model_type") in PREFIXES:  # others there say which class of SpeechBrain's reads the folder
        try:
            return ModelConfig.model_validate(settings)
        except ValidationError as error:
            raise refusal(error, CONFIG_FILE) from error
    if source not in _KNOWN:
        raise ModelError(
            f"{SETTINGS_FILE}: the encoder is {source!r:.100}, and only {', '.join(_KNOWN)} is known: put the "
            f"{CONFIG_FILE} of that model beside the file"
        )
    return None


def _read_labels(path: Path) -> tuple[str, ...]:
    """The classes in their order: lines such as `'neu' => 0`, and other facts behind a line of `=`.

    Raises:
        ModelError: it can't be read, or isn't such a file.
    """
    names: dict[int, str] = {}
    for line in read_text(path).splitlines():
        if line.startswith(_END_OF_LABELS):
            break
        literal, arrow, number = line.rpartition(" => ")
        try:
            label: object = ast.literal_eval(literal.strip()) if arrow else None
            index = int(number)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise ModelError(f"{path.name} must have lines such as 'neu' => 0") from error
        if (
            not isinstance(label, str)
            or not is_label(label)
            or index in names
            or label in names.values()
            or len(names) >= _MAX_LABELS
        ):
            raise ModelError(f"{path.name} must name each class once, in a short line")
        names[index] = label
    if not names or sorted(names) != list(range(len(names))):
        raise ModelError(f"{path.name} must name the classes 0, 1, 2 …")
    return tuple(names[index] for index in range(len(names)))
