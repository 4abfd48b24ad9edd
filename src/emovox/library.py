"""The old name of `emovox.archive`, `emovox.evaluation`, `emovox.heads` and `emovox.labels`; it goes with 0.3."""

import warnings
from importlib import import_module

_MOVED = {
    "Archive": "archive.Archive",
    "Evaluation": "evaluation.Evaluation",
    "Filter": "archive.Filter",
    "Found": "archive.ArchiveRecord",
    "Labelled": "labels.Labelled",
    "Neighbour": "archive.Neighbour",
    "Stats": "archive.Stats",
    "Trained": "heads.Trained",
    "evaluate": "evaluation.evaluate",
    "read_labels": "labels.read_labels",
    "train": "heads.train",
}


def __getattr__(name: str) -> object:
    if name not in _MOVED:
        raise AttributeError(f"module 'emovox.library' has no attribute {name!r}")
    package, new = _MOVED[name].split(".")
    warnings.warn(f"emovox.library.{name} is now emovox.{package}.{new}", FutureWarning, stacklevel=2)
    return getattr(import_module(f"emovox.{package}"), new)
