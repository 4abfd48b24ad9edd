"""Heads: own classes on a model's embeddings, fitted to labelled recordings."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.heads.training import Trained, train

__all__ = ["Trained", "train"]
__getattr__ = lazy.names(
    __name__,
    {
        "Trained": "training",
        "train": "training",
    },
)
