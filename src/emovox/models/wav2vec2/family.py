"""The family of wav2vec 2.0 and its kin, for the table of families."""

from emovox.models.family import Family
from emovox.models.layout import TRANSFORMERS
from emovox.models.wav2vec2.network import Wav2Vec2Builder
from emovox.models.wav2vec2.snapshot import Wav2Vec2Snapshot, is_snapshot, read_snapshot
from emovox.models.wav2vec2.weights import open_weights

WAV2VEC2 = Family(
    title="wav2vec 2.0, HuBERT, WavLM, data2vec and Conformers, from Hugging Face",
    publisher="Hugging Face",
    layout=TRANSFORMERS,
    version=1,
    snapshot=Wav2Vec2Snapshot,
    recognises=is_snapshot,
    read=read_snapshot,
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: Wav2Vec2Builder(graph, snapshot, weights).build(),
)
