"""The command that writes into a model file where labelled speech lies: the mean embedding of each class.

python -m training.reference src/emovox/models/bundled/lite.onnx src/emovox/models/bundled/lite.onnx \
    --corpora ../shared/corpora

Baselines are moved to a mixture of these means. Each recording counts once, by its frames of speech, as it does in
a baseline; each corpus counts the same, so that the largest one's microphone and language aren't taken for an
emotion. Neutral's constant is told, too, as a baseline takes its place. Nothing else of the file changes.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from rich.console import Console
from rich.progress import track

from emovox.inference.recognition import NO_SPEECH
from emovox.inference.recognizer import Recognizer
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout, ReferenceMean
from training.corpus import ACTED, Clip, read_corpus
from training.neutral import NEUTRAL

PER_CLASS = 120
NO_EMOTION = ("other", "unknown")
"""What a mixture of emotions never has."""
TITLES = {"emodb": "EmoDB", "ravdess": "RAVDESS", "nemo": "nEMO"}

Floats = NDArray[np.float32]


def main() -> None:
    """Read the command line, embed the corpora, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.reference", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the .onnx file")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument(
        "--per-class", type=int, default=PER_CLASS, help="clips of each class of a corpus, at most"
    )
    options = parser.parse_args()
    for label, mean in add(options.model, options.out, options.corpora, per_class=options.per_class).items():
        print(f"{label:10} {mean.count:5} recordings of {mean.source}")


def add(
    path: Path, out: Path, corpora: Path, *, names: Sequence[str] = ACTED, per_class: int = PER_CLASS
) -> dict[str, ReferenceMean]:
    """Write a model file that tells where labelled speech lies among its embeddings, and give these means.

    Args:
        path: of the model file.
        out: the file to write.
        corpora: folder with the lists and their clips.
        names: of the corpora.
        per_class: clips of each class of a corpus, at most.
    """
    recognizer = Recognizer(path)
    clips = {
        name: some([clip for clip in read_corpus(corpora, name) if clip.label not in NO_EMOTION], per_class)
        for name in names
    }
    means = reference(clips, {name: embed(recognizer, corpora, clips[name]) for name in names})
    model = onnx.load(path)
    write(model, means)
    onnx.save(model, out)
    return means


def some(clips: Sequence[Clip], per_class: int) -> list[Clip]:
    """At most so many of each class, chosen by their numbers."""
    chosen: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: clip.number):
        chosen[clip.label].append(clip)
    return [clip for group in chosen.values() for clip in group[:per_class]]


def embed(recognizer: Recognizer, corpora: Path, clips: Sequence[Clip]) -> dict[str, Floats]:
    """The embedding (D,) of the speech in each clip that has any, by its path."""
    embeddings: dict[str, Floats] = {}
    for clip in track(clips, description=f"Embedding {clips[0].corpus}", console=Console(stderr=True)):
        result = recognizer.recognize(corpora / clip.path, embedding=True, speech_only=True)
        if result.embedding is not None and NO_SPEECH not in result.warnings:
            embeddings[clip.path] = result.embedding[0]
    return embeddings


def reference(
    clips: Mapping[str, Sequence[Clip]], embeddings: Mapping[str, Mapping[str, Floats]]
) -> dict[str, ReferenceMean]:
    """The mean of each class: that of the means of the corpora that have it.

    Args:
        clips: by corpus.
        embeddings: by corpus and path, (D,) each; of clips that have none nothing counts.
    """
    rows: defaultdict[str, dict[str, list[Floats]]] = defaultdict(dict)
    for corpus, own in clips.items():
        for clip in own:
            if clip.path in embeddings[corpus]:
                rows[clip.label].setdefault(corpus, []).append(embeddings[corpus][clip.path])
    return {
        label: ReferenceMean(
            embedding=np.mean(
                [np.mean(group, axis=0, dtype=np.float64) for group in by_corpus.values()], axis=0
            ).astype(np.float32),
            count=sum(map(len, by_corpus.values())),
            source=", ".join(TITLES.get(corpus, corpus) for corpus in by_corpus),
        )
        for label, by_corpus in sorted(rows.items())
    }


def write(model: onnx.ModelProto, means: Mapping[str, ReferenceMean]) -> None:
    """Put reference means into the readout of emotions in a model's metadata.

    Raises:
        ValueError: it has none, or hasn't these labels.
    """
    metadata = Metadata.from_properties({item.key: item.value for item in model.metadata_props})
    main = metadata.emotions
    if main is None:
        raise ValueError("the model has no readout of emotions")
    prior = main.prior or ({"neutral": NEUTRAL} if "neutral" in main.labels else {})
    readouts = tuple(
        readout if readout is not main else Readout(**{**dict(main), "reference": dict(means), "prior": prior})
        for readout in metadata.readouts
    )
    del model.metadata_props[:]
    helper.set_model_props(model, metadata.model_copy(update={"readouts": readouts}).to_properties())


if __name__ == "__main__":
    main()
