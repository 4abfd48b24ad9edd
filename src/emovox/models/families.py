"""The families of models that are computed: each is a package, and a line here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emovox.errors import ModelError
from emovox.models.emotion2vec.family import EMOTION2VEC
from emovox.models.family import Family
from emovox.models.odyssey.family import ODYSSEY
from emovox.models.sensevoice.family import SENSEVOICE
from emovox.models.snapshot import Snapshot
from emovox.models.speechbrain.family import SPEECHBRAIN
from emovox.models.voxprofile.family import VOXPROFILE
from emovox.models.wav2vec2.family import WAV2VEC2
from emovox.models.whisper.family import WHISPER

FAMILIES: tuple[Family[Any], ...] = (
    SENSEVOICE,
    EMOTION2VEC,
    SPEECHBRAIN,
    WAV2VEC2,
    ODYSSEY,
    WHISPER,
    VOXPROFILE,
)


def read_snapshot(directory: Path, labels: Mapping[str, str] | None = None) -> Snapshot:
    """Read a snapshot of any family, but for its weights.

    Args:
        directory: where it is.
        labels: the nine's names for labels of the snapshot that have others.

    Raises:
        ModelError: it is of no family, a file is missing or unreadable, or it says what can't be computed.
    """
    for family in FAMILIES:
        if family.recognises(directory):
            snapshot: Snapshot = family.read(directory, labels or {})
            return snapshot
    kinds = "; ".join(f"{family.title} ({family.layout.config})" for family in FAMILIES)
    raise ModelError(f"{directory} is not a snapshot that can be computed; these can: {kinds}")


def family_of(snapshot: Snapshot) -> Family[Any]:
    """The family whose snapshot it is."""
    return next(family for family in FAMILIES if isinstance(snapshot, family.snapshot))
