"""The command that makes the bundled model: features, head, held-out measures, one ONNX file.

python -m training.train --corpora ../shared/corpora --out src/emovox/models/bundled/lite.onnx
"""

import argparse
import csv
import logging
import time
from pathlib import Path

import numpy as np
import onnx

from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from training import features, graph, head
from training.builder import Precision
from training.corpus import read_list
from training.whisper import read_encoder

CORPUS = "emodb"
NAME = "lite"
REVISION = "1"
LICENCE = "MIT"
SOURCE = (
    "Convolutional stem and first three encoder blocks of OpenAI Whisper base (MIT), unchanged; "
    "linear head trained on EmoDB (Burkhardt et al. 2005, CC0-1.0)"
)
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
_LOG = logging.getLogger("training")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with emodb.tsv and its clips")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="log, cache, held-out scores")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="how weights are stored")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the noise in the copies")
    parser.add_argument("--skip-held-out", action="store_true", help="leave out the measures on new speakers")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(options.work / "train.log")],
    )
    train(**vars(options))


def train(
    *,
    corpora: Path,
    out: Path,
    work: Path,
    precision: Precision,
    threads: int,
    seed: int,
    skip_held_out: bool,
) -> None:
    """Train the head on EmoDB and write the model."""
    started = time.monotonic()
    encoder = read_encoder()
    nothing = head.Head(np.zeros((len(NAMES), graph.EMBEDDING), np.float32), np.zeros(len(NAMES), np.float32), ())
    blank = graph.build(encoder, nothing.weight, nothing.bias, precision, {})
    clips = read_list(corpora, CORPUS)
    embeddings = features.embed(blank, corpora, clips, work=work, threads=threads, seed=seed)
    labels = np.array([clip.label for clip in clips])
    speakers = np.array([clip.speaker for clip in clips])
    _LOG.info("%d clips, %d speakers, embedded", len(clips), len(set(speakers)))

    if not skip_held_out:
        scores = head.leave_one_speaker_out(embeddings, labels, speakers)
        for version, name in enumerate(("as recorded", "telephone", "pink noise")):
            report(f"leave one speaker out, {name}", head.measure(scores[:, version], labels))
        write_scores(work / "held_out.csv", [clip.path for clip in clips], labels, scores[:, 0])
    strength = head.choose_strength(embeddings, labels, speakers)
    final = head.fit(embeddings, labels, strength)
    _LOG.info("final head: C = %g; classes %s", strength, ", ".join(final.classes))

    metadata = Metadata(
        name=NAME,
        revision=REVISION,
        precision="fp32",  # of the arithmetic; the weights are widened when the file is loaded
        licence=LICENCE,
        source=SOURCE,
        source_sha256=encoder.sha256,
        classes=final.classes,
        hop=graph.HOP,
        first_centre=graph.FIRST_CENTRE,
        minimum_samples=graph.MINIMUM_SAMPLES,
        embedding_size=graph.EMBEDDING,
    )
    model = graph.build(encoder, final.weight, final.bias, precision, metadata.to_properties())
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out)
    _LOG.info("%s: %.1f MB after %.0f s", out, out.stat().st_size / 1e6, time.monotonic() - started)


def report(title: str, measures: head.Measures) -> None:
    """Log recalls and the confusion matrix."""
    _LOG.info(
        "%s: unweighted average recall %.3f, weighted %.3f, log loss %.3f, mean confidence %.3f",
        title,
        measures.unweighted,
        measures.weighted,
        measures.loss,
        measures.confidence,
    )
    columns = [NAMES.index(name) for name in measures.classes]
    for name in measures.classes:
        row = " ".join(f"{count:4d}" for count in measures.confusion[NAMES.index(name), columns])
        _LOG.info("  %-10s %.3f |%s", name, measures.recalls[name], row)


def write_scores(path: Path, names: list[str], labels: head.Texts, scores: head.Floats) -> None:
    """Write held-out scores: one row a clip, one column an emotion."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", *NAMES])
        for name, label, row in zip(names, labels, scores, strict=True):
            writer.writerow([name, label, *(f"{score:.4f}" for score in row)])


if __name__ == "__main__":
    main()
