"""Vox-Profile's family, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import TRANSFORMERS
from emovox.models.voxprofile.network import build
from emovox.models.voxprofile.snapshot import VoxProfileSnapshot, is_snapshot, read_snapshot
from emovox.models.voxprofile.weights import open_weights

VOXPROFILE = Family(
    title="Vox-Profile's models of emotion, from Hugging Face",
    publisher="Hugging Face",
    layout=TRANSFORMERS,
    version=1,
    snapshot=VoxProfileSnapshot,
    recognises=is_snapshot,
    read=read_snapshot,
    open_weights=open_weights,
    build=build,
)
