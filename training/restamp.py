"""The command that brings a model file under contract 1 to contract 2; no weight changes.

python -m training.restamp lite-5.1.onnx src/emovox/models/bundled/lite.onnx --revision 5.2

The outputs `logits` and `frame_logits` become those of the readout `emotion`, and the metadata says what it is.
Embeddings are the same, so the file says whose they are.
"""

import argparse
from pathlib import Path

import onnx
from onnx import helper

from emovox.models.metadata import CONTRACT, Metadata
from emovox.models.readout import EMOTION
from training.corpus import CORPORA

_RENAMED = {"logits": f"{EMOTION}.logits", "frame_logits": f"{EMOTION}.frame_logits"}


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.restamp", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--revision", required=True)
    options = parser.parse_args()
    onnx.save(restamp(onnx.load(options.source), options.revision), options.out)


def restamp(model: onnx.ModelProto, revision: str) -> onnx.ModelProto:
    """The same model under contract 2.

    Raises:
        ModelError: it isn't one under contract 1.
    """
    properties = {item.key: item.value for item in model.metadata_props}
    old = Metadata.from_properties(properties)
    changes = {
        "contract": CONTRACT,
        "revision": revision,
        "corpora": tuple(corpus.name for corpus in CORPORA),
        "embedding_revision": old.embeddings_of,
    }
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [_RENAMED.get(name, name) for name in names]
    for value in model.graph.output:
        value.name = _RENAMED.get(value.name, value.name)
    del model.metadata_props[:]
    helper.set_model_props(model, old.model_copy(update=changes).to_properties())
    return model


if __name__ == "__main__":
    main()
