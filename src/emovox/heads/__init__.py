"""Heads: own classes or values on a model's embeddings, fitted to labelled or rated recordings."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.heads.training import Trained, train
    from emovox.heads.value_training import TrainedValues, train_values

__all__ = ["Trained", "TrainedValues", "train", "train_values"]
__getattr__ = lazy.names(
    __name__,
    {
        "Trained": "training",
        "TrainedValues": "value_training",
        "train": "training",
        "train_values": "value_training",
    },
)
