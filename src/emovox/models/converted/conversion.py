"""Conversion: a snapshot to a model under the contract, a directory with model.onnx and its weights beside it."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import onnx
from onnx import TensorProto

from emovox import files
from emovox.errors import ModelError
from emovox.models.checkpoints.weights import Weights
from emovox.models.families import family_of
from emovox.models.metadata import Metadata, Precision
from emovox.models.onnx.graph import Graph
from emovox.models.pages import drop_pages
from emovox.models.snapshot import Snapshot

MODEL_FILE = "model.onnx"
DATA_FILE = "model.onnx.data"
SAMPLE_RATE = 16_000

_INPUTS = (
    ("waveform", TensorProto.FLOAT, ("batch", "samples")),
    ("samples", TensorProto.INT64, ("batch",)),
)


def convert(
    snapshot: Snapshot,
    directory: Path,
    *,
    precision: Precision = "fp32",
    name: str,
    revision: str,
    licence: str,
    source: str,
    source_sha256: str,
    corpora: Sequence[str] = (),
) -> Path:
    """Write ``snapshot`` as a model under the contract, and return the path of its ONNX file.

    The model appears whole or not at all: it is written beside ``directory``, which it then replaces.

    Args:
        snapshot: what to convert.
        directory: the model's; its parent is made if it isn't there.
        precision: of the matrices, `fp32`, `fp16` or `int8`.
        name: catalog name, for the metadata, as are the rest.
        revision: version of the weights.
        licence: of the weights.
        source: where the weights come from, in a sentence.
        source_sha256: checksum of the weights, as `Snapshot.sha256` returns it.
        corpora: speech that it was trained on, where that is known.

    Raises:
        ModelError: the weights are missing, misshapen or damaged, or the model can't be written.
    """
    weights = family_of(snapshot).open_weights(snapshot)
    grid = snapshot.grid
    metadata = Metadata(
        name=name,
        revision=revision,
        precision=precision,
        licence=licence,
        source=source,
        source_sha256=source_sha256,
        readouts=weights.readouts,
        corpora=tuple(corpora),
        hop=grid.hop,
        first_centre=grid.first_centre / SAMPLE_RATE,
        minimum_samples=grid.minimum_samples,
        embedding_size=snapshot.embedding_size,
    )
    temporary: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory.parent).free
        if free < weights.nbytes:
            raise ModelError(
                f"the converted model needs {weights.nbytes / 1e9:.1f} GB, and {directory.parent} has only "
                f"{free / 1e9:.1f} GB free: make room, or put models elsewhere with EMOVOX_CACHE"
            )
        temporary = files.aside(directory)
        temporary.mkdir()
        with (temporary / DATA_FILE).open("wb") as data:
            model = _build(snapshot, weights, metadata, data)
        (temporary / MODEL_FILE).write_bytes(model.SerializeToString())
        for file in (DATA_FILE, MODEL_FILE):
            files.sync(temporary / file)
        files.replace_directory(temporary, directory)
    except OSError as error:
        raise ModelError(f"the model can't be written to {directory}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    for path in snapshot.weight_files:  # which stay mapped as long as somebody has the snapshot
        drop_pages(path.resolve())
    return directory / MODEL_FILE


def _build(snapshot: Snapshot, weights: Weights, metadata: Metadata, data: BinaryIO) -> onnx.ModelProto:
    graph = Graph(data, DATA_FILE, metadata.precision)
    family_of(snapshot).build(graph, snapshot, weights)
    outputs: list[tuple[str, int, tuple[str | int, ...]]] = [
        ("frames", TensorProto.FLOAT, ("batch", "frames", metadata.embedding_size)),
        ("frame_count", TensorProto.INT64, ("batch",)),
        ("embedding", TensorProto.FLOAT, ("batch", metadata.embedding_size)),
    ]
    for readout in metadata.readouts:
        columns = len(readout.labels)
        outputs.append((f"{readout.name}.logits", TensorProto.FLOAT, ("batch", columns)))
        if graph.makes(f"{readout.name}.frame_logits"):
            outputs.append((f"{readout.name}.frame_logits", TensorProto.FLOAT, ("batch", "frames", columns)))
    return graph.finish(
        inputs=_INPUTS,
        outputs=outputs,
        properties=metadata.to_properties(),
    )
