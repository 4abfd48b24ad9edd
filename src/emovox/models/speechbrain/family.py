"""The family of SpeechBrain's classifiers, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import SPEECHBRAIN as LAYOUT
from emovox.models.speechbrain.network import SpeechBrainBuilder
from emovox.models.speechbrain.snapshot import SpeechBrainSnapshot, is_snapshot, read_snapshot
from emovox.models.speechbrain.weights import open_weights

SPEECHBRAIN = Family(
    title="SpeechBrain's emotion recognition with wav2vec 2.0",
    publisher="SpeechBrain",
    layout=LAYOUT,
    version=1,
    snapshot=SpeechBrainSnapshot,
    recognises=is_snapshot,
    read=read_snapshot,
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: SpeechBrainBuilder(graph, snapshot, weights).build(),
)
