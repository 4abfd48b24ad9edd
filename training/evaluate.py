"""The command that measures a model on a corpus: any of the catalog, or any .onnx file under the contract.

python -m training.evaluate lite --corpus ../shared/corpora/emodb.tsv
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from emovox.audio.waveform import SAMPLE_RATE, Waveform
from emovox.emotions import NAMES
from emovox.errors import AudioError
from emovox.evaluation.metrics import Floats, Measures, measure
from emovox.evaluation.plots import draw_confusions, draw_reliability
from emovox.inference.recognizer import Recognizer
from training import augment
from training.corpus import Clip, read_tsv, read_waveform

_ROOMS = 40
_CONSOLE = Console(width=115)  # the table of nine classes fits


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a name of the catalog, a snapshot's directory, or an .onnx file")
    parser.add_argument("--corpus", type=Path, required=True, help="list with the columns path and label, .tsv")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth clip")
    parser.add_argument("--all-classes", action="store_true", help="let classes compete that the corpus has not")
    parser.add_argument("--noise", type=float, metavar="DB", help="add noise so many dB below the voice")
    parser.add_argument("--telephone", action="store_true", help="send it through a telephone's band and a codec")
    parser.add_argument("--reverb", action="store_true", help="play it in simulated rooms")
    parser.add_argument("--noises", type=Path, metavar="TSV", help="recorded noise to add, beside synthetic noise")
    parser.add_argument("--seed", type=int, default=0, help="of noise, lines and rooms")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="put measures.json and pictures there")
    options = parser.parse_args()
    clips = read_tsv(options.corpus)[:: options.every]
    recognizer = Recognizer(options.model)
    known = recognizer.metadata.classes
    if not known:
        parser.error(f"the model {options.model} doesn't give the nine emotions")
    labels = {clip.label for clip in clips}
    classes = known if options.all_classes else tuple(name for name in known if name in labels)
    surroundings = augment.Surroundings(
        augment.simulated_rooms(_ROOMS, options.seed + 3) if options.reverb else [],
        [read_waveform(options.noises.parent / clip.path) for clip in read_tsv(options.noises)]
        if options.noises
        else [],
    )

    def changed(waveform: Waveform, clip: Clip) -> Waveform:
        rng = np.random.default_rng([clip.number + options.seed, 1000])
        if options.reverb:
            waveform = augment.condition("reverb", waveform, rng, surroundings)
        if options.noise is not None:
            waveform = augment.with_noise(waveform, options.noise, rng, surroundings)
        return augment.telephone(waveform, rng) if options.telephone else waveform

    scores, recognised = [], []
    for clip in track(clips, description="Recognising", console=Console(stderr=True)):
        waveform = changed(read_waveform(options.corpus.parent / clip.path), clip)
        try:
            result = recognizer.recognize((waveform, SAMPLE_RATE), emotions=classes, name=clip.path)
        except AudioError as error:
            _CONSOLE.print(f"{clip.path}: {error}")
            continue
        assert result.scores is not None  # noqa: S101  the model gives them
        scores.append([result.scores[name] for name in NAMES])
        recognised.append(clip.label)
    measures = measure(np.array(scores), recognised)
    show(recognizer, measures, classes)
    if options.out:
        write(options.out, f"{options.corpus.stem}", measures, np.array(scores), recognised)


def show(recognizer: Recognizer, measures: Measures, classes: tuple[str, ...]) -> None:
    """Print the measures and the confusion matrix."""
    model = recognizer.model
    _CONSOLE.print(f"{model.name}, revision {model.revision}, {model.precision}, sha256 {model.checksum}")
    _CONSOLE.print(f"{measures.confusion.sum()} clips; competing: {', '.join(classes)}")
    _CONSOLE.print(
        f"unweighted average recall {measures.unweighted:.3f}, weighted {measures.weighted:.3f}, "
        f"macro F1 {measures.macro_f1:.3f}, mean confidence {measures.confidence:.3f}, "
        f"expected calibration error {measures.calibration_error:.3f}"
    )
    columns = [name for name in NAMES if name in classes]
    table = Table("true", "recall", *columns)
    for name in measures.classes:
        counts = [str(measures.confusion[NAMES.index(name), NAMES.index(column)]) for column in columns]
        table.add_row(name, f"{measures.recalls[name]:.3f}", *counts)
    _CONSOLE.print(table)


def write(folder: Path, title: str, measures: Measures, scores: Floats, labels: list[str]) -> None:
    """Write measures.json, confusion.png, reliability.png, and the scores of every clip as scores.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = measures.to_dict()
    (folder / "measures.json").write_text(json.dumps(facts, indent=1))
    draw_confusions(folder / "confusion.png", {title: facts})
    draw_reliability(folder / "reliability.png", {title: facts})
    np.savez(folder / "scores.npz", allow_pickle=False, scores=scores, labels=np.array(labels))


if __name__ == "__main__":
    main()
