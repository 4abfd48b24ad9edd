"""Plug-ins: what a package of yours may add to Emovox, and what was found of such packages.

A package says what it adds by entry points:

    [project.entry-points."emovox.exports"]           # an Exporter, under the name of its format
    [project.entry-points."emovox.model_families"]    # a Family
    [project.entry-points."emovox.labels"]            # a LabelReader, under the ending of its files

What is named here is what plug-ins may rely on; docs/plugins.md shows how, and docs/versions.md what is promised.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from emovox.registry import Plugin

if TYPE_CHECKING:
    from emovox.exports.exporter import Exporter, ExportInput
    from emovox.inference.recognition import Recognition, Segment
    from emovox.labels.reader import LabelReader
    from emovox.models.checkpoints.shards import read_state
    from emovox.models.checkpoints.weights import Weights
    from emovox.models.family import Family
    from emovox.models.layout import Layout
    from emovox.models.onnx.graph import Graph
    from emovox.models.onnx.speech import SpeechEncoder
    from emovox.models.readout import Readout, same_names
    from emovox.models.settings_file import read_json
    from emovox.models.snapshot import Grid, Snapshot

__all__ = [
    "ExportInput",
    "Exporter",
    "Family",
    "Graph",
    "Grid",
    "LabelReader",
    "Layout",
    "Plugin",
    "Readout",
    "Recognition",
    "Segment",
    "Snapshot",
    "SpeechEncoder",
    "Weights",
    "plugins",
    "read_json",
    "read_state",
    "same_names",
]
_HOME = {
    "ExportInput": "exports.exporter",
    "Exporter": "exports.exporter",
    "Family": "models.family",
    "Graph": "models.onnx.graph",
    "Grid": "models.snapshot",
    "LabelReader": "labels.reader",
    "Layout": "models.layout",
    "Readout": "models.readout",
    "Recognition": "inference.recognition",
    "Segment": "inference.recognition",
    "Snapshot": "models.snapshot",
    "SpeechEncoder": "models.onnx.speech",
    "Weights": "models.checkpoints.weights",
    "read_json": "models.settings_file",
    "read_state": "models.checkpoints.shards",
    "same_names": "models.readout",
}


def __getattr__(name: str) -> object:
    """What is named above, loaded when it is used: a reader of labels needs no more than its own."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"emovox.{_HOME[name]}"), name)


def plugins() -> list[Plugin]:
    """What installed packages add, by group, package and name; each is loaded, and what can't be says why."""
    from emovox.exports.formats import EXPORTERS  # noqa: PLC0415  take time to load, and plug-ins import this module
    from emovox.labels.readers import READERS  # noqa: PLC0415
    from emovox.models.families import FAMILIES  # noqa: PLC0415

    return [*EXPORTERS.plugins(), *FAMILIES.plugins(), *READERS.plugins()]
