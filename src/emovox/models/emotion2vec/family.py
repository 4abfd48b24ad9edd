"""The Emotion2Vec family, for the table of families."""

from emovox.models.emotion2vec.network import Emotion2VecBuilder
from emovox.models.emotion2vec.snapshot import CONFIG_FILE, Emotion2VecSnapshot, read_snapshot
from emovox.models.emotion2vec.weights import open_weights
from emovox.models.family import Family
from emovox.models.layout import FUNASR, TRANSFORMERS

EMOTION2VEC = Family(
    title="Emotion2Vec, from FunASR",
    publisher="FunASR",
    layout=FUNASR,
    version=3,
    snapshot=Emotion2VecSnapshot,
    # A checkpoint of transformers has an optimizer.pt beside its config.json.
    recognises=lambda directory: (
        (directory / CONFIG_FILE).exists()
        or (any(directory.glob("*.pt")) and not (directory / TRANSFORMERS.config).exists())
    ),
    read=lambda directory, labels: read_snapshot(directory),
    open_weights=open_weights,
    build=lambda graph, snapshot, weights: Emotion2VecBuilder(graph, snapshot, weights).build(),
)
