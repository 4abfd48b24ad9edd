"""The Whisper family, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import TRANSFORMERS
from emovox.models.whisper.network import WhisperBuilder
from emovox.models.whisper.snapshot import WhisperSnapshot, is_snapshot, read_snapshot
from emovox.models.whisper.weights import open_weights

WHISPER = Family(
    title="classifiers of Whisper, from Hugging Face",
    publisher="Hugging Face",
    layout=TRANSFORMERS,
    version=1,
    snapshot=WhisperSnapshot,
    recognises=is_snapshot,
    read=read_snapshot,
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: WhisperBuilder(graph, snapshot, weights).build(),
)
