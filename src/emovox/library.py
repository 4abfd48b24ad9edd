"""The old name of `emovox.archive`, `emovox.evaluation`, `emovox.heads` and `emovox.labels`; it goes with 0.3."""

import warnings
from importlib import import_module

_HOME = {
    "Archive": "archive",
    "Evaluation": "evaluation",
    "Filter": "archive",
    "Found": "archive",
    "Labelled": "labels",
    "Neighbour": "archive",
    "Stats": "archive",
    "Trained": "heads",
    "evaluate": "evaluation",
    "read_labels": "labels",
    "train": "heads",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'emovox.library' has no attribute {name!r}")
    home = f"emovox.{_HOME[name]}"
    warnings.warn(f"emovox.library.{name} is now {home}.{name}", FutureWarning, stacklevel=2)
    return getattr(import_module(home), name)
