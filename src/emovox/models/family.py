"""A family of models: how one of its snapshots is recognised, read and built as a graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from emovox.models.checkpoints.weights import Weights
from emovox.models.layout import Layout
from emovox.models.onnx.graph import Graph
from emovox.models.snapshot import Snapshot

S = TypeVar("S", bound=Snapshot)


@dataclass(frozen=True)
class Family(Generic[S]):
    """What the rest of the program needs of a family.

    Attributes:
        title: what its snapshots are called in messages.
        publisher: whose form they have, for the metadata of models made of them.
        layout: of their folders.
        version: of its graph; raise it when the graph changes, so that old conversions aren't used.
        snapshot: the class of its snapshots.
        recognises: whether a folder is one of them, whatever else may be wrong with it.
        read: reads one; the mapping gives the nine's names to labels that have others. Raises `ModelError`.
        open_weights: finds the weights in its checkpoint. Raises `ModelError`.
        build: adds everything between the inputs and the outputs of the model contract to a graph.
    """

    title: str
    publisher: str
    layout: Layout
    version: int
    snapshot: type[S]
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Mapping[str, str]], S]
    open_weights: Callable[[S], Weights]
    build: Callable[[Graph, S, Weights], None]
