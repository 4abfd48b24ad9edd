"""The families of models that are computed: each is a package, and a line here; others come from plug-ins."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emovox.errors import ModelError
from emovox.models.emotion2vec.family import EMOTION2VEC
from emovox.models.family import Family
from emovox.models.layout import LAYOUTS, Layout
from emovox.models.odyssey.family import ODYSSEY
from emovox.models.sensevoice.family import SENSEVOICE
from emovox.models.snapshot import Snapshot
from emovox.models.speechbrain.family import SPEECHBRAIN
from emovox.models.voxprofile.family import VOXPROFILE
from emovox.models.wav2vec2.family import WAV2VEC2
from emovox.models.whisper.family import WHISPER
from emovox.registry import Registry

_BUILT_IN: dict[str, Family[Any]] = {
    "sensevoice": SENSEVOICE,
    "emotion2vec": EMOTION2VEC,
    "speechbrain": SPEECHBRAIN,
    "wav2vec2": WAV2VEC2,
    "odyssey": ODYSSEY,
    "whisper": WHISPER,
    "voxprofile": VOXPROFILE,
}


def check_family(name: str, family: Family[Any], others: Iterable[Family[Any]]) -> None:
    """Refuse what would be taken for another.

    Raises:
        ValueError: it would.
    """
    if any(issubclass(family.snapshot, other.snapshot) for other in others):
        raise ValueError(f"its class of snapshots, {family.snapshot.__name__}, is another family's")


FAMILIES: Registry[Family[Any]] = Registry(
    "emovox.model_families", Family, _BUILT_IN, ModelError, check=check_family
)
"""In the order in which a folder is looked at; those of plug-ins come last, so they take no others' snapshots."""


def layouts() -> tuple[Layout, ...]:
    """How the families' snapshots are laid out, in the order in which a repository is looked through."""
    return tuple(dict.fromkeys((*LAYOUTS, *(family.layout for _, family in FAMILIES.usable()))))


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> Snapshot:
    """Read a snapshot of any family, but for its weights.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others.

    Raises:
        ModelError: it is of no family, a file is missing or unreadable, or it says what can't be computed.
    """
    for name, family in FAMILIES.usable():
        with FAMILIES.blamed(name, f"reading {directory} as {family.title}"):
            if family.recognises(directory):
                snapshot: Snapshot = family.read(directory, labels or {})
                return snapshot
    kinds = "; ".join(f"{family.title} ({family.layout.config})" for _, family in FAMILIES.usable())
    raise ModelError(f"{directory} is not a snapshot that can be computed; these can: {kinds}")


def family_of(snapshot: Snapshot) -> Family[Any]:
    """The family whose snapshot it is."""
    return next(family for _, family in FAMILIES.usable() if isinstance(snapshot, family.snapshot))
