"""The family of the Odyssey 2024 baselines, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import TRANSFORMERS
from emovox.models.odyssey.network import OdysseyBuilder
from emovox.models.odyssey.snapshot import OdysseySnapshot, is_snapshot, read_snapshot
from emovox.models.odyssey.weights import open_weights

ODYSSEY = Family(
    title="the Odyssey 2024 baselines of WavLM, from Hugging Face",
    publisher="Hugging Face",
    layout=TRANSFORMERS,
    version=1,
    snapshot=OdysseySnapshot,
    recognises=is_snapshot,
    read=read_snapshot,
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: OdysseyBuilder(graph, snapshot, weights).build(),
)
