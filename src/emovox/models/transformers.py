"""What snapshots of transformers have in common: their files, what the head's rows are called, and what they mean.

What the head gives is named by config.json's `id2label`, and kept as it is spelled there; whether that are classes
that exclude each other, classes that don't, or values, says `problem_type`. A class that bears the English name of
one of the nine is that one; what others mean says the catalog or, beside config.json, an emovox-labels.json such
as {"neu": "neutral"}.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.models.checkpoints.shards import weight_files
from emovox.models.layout import TRANSFORMERS
from emovox.models.readout import EMOTION, Activation, Kind, Readout, same_names
from emovox.models.settings_file import read_json
from emovox.models.snapshot import Snapshot, is_label

CONFIG_FILE = TRANSFORMERS.config
PREPROCESSOR_FILE = "preprocessor_config.json"
LABELS_FILE = "emovox-labels.json"

DIMENSIONS = "dimensions"
"""The name of the readout of values."""

ACTIVATIONS: dict[object, Activation] = {
    None: "softmax",
    "single_label_classification": "softmax",
    "multi_label_classification": "sigmoid",
    "regression": "none",
}
"""By `problem_type`, from the head's logits to numbers."""

AFFECTS = {"arousal", "dominance", "valence"}
"""Values that published models give from 0 to 1."""

_MAX_LABELS = 1000


@dataclass(frozen=True, kw_only=True)
class LabelledSnapshot(Snapshot):
    """A snapshot whose config.json names what the head gives.

    Attributes:
        labels: of the head's rows, as config.json names them; empty without a head.
        emotions: which of the nine they are; those that are none of them are left out.
        activation: from the head's logits to numbers.
    """

    labels: tuple[str, ...]
    emotions: dict[str, str]
    activation: Activation

    @property
    def has_head(self) -> bool:
        """Whether it gives more than embeddings."""
        return bool(self.labels)

    def readout(self, kind: Kind) -> Readout:
        """What the head gives, computed in this way."""
        return readout_of(kind, self.activation, self.labels, self.emotions)


def readout_of(
    kind: Kind, activation: Activation, labels: tuple[str, ...], emotions: Mapping[str, str]
) -> Readout:
    """What a head gives, whose labels are as config.json has them."""
    values = activation == "none"
    affects = values and {label.strip().lower() for label in labels} <= AFFECTS
    return Readout(
        name=DIMENSIONS if values else EMOTION,
        kind=kind,
        activation=activation,
        labels=labels,
        emotions=dict(emotions),
        range=(0, 1) if affects else None,
    )


def activation_of(kind: object, names: tuple[str, ...]) -> Activation:
    """What becomes of the head's logits.

    Args:
        kind: config.json's `problem_type`.
        names: of the head's rows.

    Raises:
        ModelError: that isn't said.
    """
    if not isinstance(kind, str | None) or kind not in ACTIVATIONS:
        types = ", ".join(str(name) for name in ACTIVATIONS if name)
        raise ModelError(f"{CONFIG_FILE}: problem_type is {kind!r:.50}; it can be {types}")
    if kind is None and len(names) == 1:
        raise ModelError(
            f"{CONFIG_FILE} names a single output, {names[0]!r}, and not whether it is a value (problem_type: "
            "regression) or a class of its own (multi_label_classification)"
        )
    return ACTIVATIONS[kind]


def find_weights(directory: Path) -> Path:
    """The file of weights in the folder of a snapshot, or the index of several that are there.

    Raises:
        ModelError: there is none, the index can't be read, or a file that it names is missing.
    """
    names = TRANSFORMERS.weights_among(path.name for path in directory.iterdir() if path.is_file())
    if not names:
        raise ModelError(
            f"{directory} is not a snapshot: it has neither model.safetensors nor pytorch_model.bin, or parts"
        )
    weight_files(directory / names[0])
    return directory / names[0]


def read_emotions(directory: Path, classes: tuple[str, ...], catalog: Mapping[str, str]) -> dict[str, str]:
    """Which of the nine classes are: by their own names, by the catalog, and first of all by the user's word.

    Raises:
        ModelError: the user's file speaks of none of them, or can't be read.
    """
    named = {label: name for label, name in catalog.items() if label in classes}
    return {**same_names(classes), **named, **_read_mapping(directory / LABELS_FILE, classes)}


def read_labels(id2label: object) -> tuple[str, ...]:
    """What the head gives as the snapshot names it, in the order of the head's rows."""
    if id2label is None:  # transformers leaves out what is its default; the head must have two rows then
        return ("LABEL_0", "LABEL_1")
    if isinstance(id2label, dict) and 1 <= len(id2label) <= _MAX_LABELS:
        names = tuple(id2label.get(str(index)) for index in range(len(id2label)))
        if all(map(is_label, names)) and len(set(names)) == len(names):
            return tuple(map(str, names))
    raise ModelError(f"{CONFIG_FILE}: id2label must name the outputs 0, 1, 2 …, each once and in a short line")


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
