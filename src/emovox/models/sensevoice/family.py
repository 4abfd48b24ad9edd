"""The SenseVoice family, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import FUNASR
from emovox.models.sensevoice.network import SenseVoiceBuilder
from emovox.models.sensevoice.snapshot import SenseVoiceSnapshot, is_snapshot, read_snapshot
from emovox.models.sensevoice.weights import open_weights

SENSEVOICE = Family(
    title="SenseVoiceSmall, from FunASR",
    publisher="FunASR",
    layout=FUNASR,
    version=1,
    snapshot=SenseVoiceSnapshot,
    recognises=is_snapshot,
    read=lambda directory, labels: read_snapshot(directory),
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: SenseVoiceBuilder(graph, snapshot, weights).build(),
)
