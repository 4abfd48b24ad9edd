"""The library: what was recognised is kept, found again and compared; heads are trained, and models measured.

    from emovox.library import Archive

    with Archive() as archive:
        archive.add(recognition)
        archive.similar(recognition, k=5)

Each name below is loaded when it is first used: the archive's packages are an extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emovox.library.archive import Archive
    from emovox.library.evaluation import Evaluation, evaluate
    from emovox.library.filter import Filter
    from emovox.library.found import Found
    from emovox.library.head_training import Trained, train
    from emovox.library.labels import Labelled, read_labels
    from emovox.library.neighbours import Neighbour
    from emovox.library.stats import Stats

_HOME = {
    "Archive": "archive",
    "Evaluation": "evaluation",
    "Filter": "filter",
    "Found": "found",
    "Labelled": "labels",
    "Neighbour": "neighbours",
    "Stats": "stats",
    "Trained": "head_training",
    "evaluate": "evaluation",
    "read_labels": "labels",
    "train": "head_training",
}

__all__ = [
    "Archive",
    "Evaluation",
    "Filter",
    "Found",
    "Labelled",
    "Neighbour",
    "Stats",
    "Trained",
    "evaluate",
    "read_labels",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'emovox.library' has no attribute {name!r}")
    value = getattr(import_module(f"emovox.library.{_HOME[name]}"), name)
    globals()[name] = value
    return value
