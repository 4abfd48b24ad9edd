"""The command that writes into a model file what its confidence is worth on speech that it never heard.

python -m training.calibrate src/emovox/models/bundled/lite.onnx src/emovox/models/bundled/lite.onnx \
    --corpora ../shared/corpora --revision 5.3

Networks fitted like it, each without a corpus and an everyday set, give temperatures by length and the confidences
below which a verdict is unsure. Their logits have another scale than the file's, which knows all these corpora; so
the file's are divided by what makes it as sure of spoken digits, which none of them knows, as they are. Nothing
else changes.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from scipy.optimize import brentq

from emovox.emotions import NAMES
from emovox.inference.recognizer import Recognizer
from emovox.models.metadata import Metadata
from emovox.models.readout import Calibration, Readout
from training.confidence import calibration
from training.corpus import read_corpus
from training.left_out import ALWAYS_OUT, TURNS, Unheard, listen
from training.material import gather
from training.recipes import RECIPES, TUNED_CONSTANT
from training.verdicts import softmax

RECIPE = "5.2 tuned"

_LOG = logging.getLogger("training")


def main() -> None:
    """Read the command line, measure, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the .onnx file")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states, fits, embeddings")
    parser.add_argument("--revision", required=True, help="of the file that is written")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    material = gather(
        options.corpora, options.work, precision="fp16", seed=0, threads=options.threads, plain=True, everyday=True
    )
    turns = [listen(material, RECIPES[RECIPE].options, turn, seed=0, work=options.work) for turn in TURNS]
    temperature, measured = calibration(turns, TUNED_CONSTANT)
    scores = []
    recognizer = Recognizer(options.model)
    for clip in (clip for name in ALWAYS_OUT for clip in read_corpus(options.corpora, name)):
        result = recognizer.recognize(options.corpora / clip.path)
        if result.scores is not None:
            scores.append([result.scores[name] for name in NAMES])
    factor = divisor(np.log(np.array(scores) + 1e-12), sureness(turns, temperature))
    _LOG.info("temperature %.3f; %.3f for the file; %s", temperature, factor, measured)
    model = onnx.load(options.model)
    write(model, scaled(measured, factor), options.revision)
    onnx.save(model, options.out)


def sureness(turns: list[Unheard], temperature: float) -> float:
    """The mean confidence of all turns' networks on what none of them ever hears."""
    voices = [(one, one.heard[name, 0.0]) for one in turns for name in ALWAYS_OUT]
    means = [softmax(one.logits(own, TUNED_CONSTANT) / temperature).max(axis=1).mean() for one, own in voices]
    return float(np.mean(means))


def divisor(logits: NDArray[np.float64], confidence: float) -> float:
    """What logits (n, 9) are to be divided by so that their mean confidence is this one.

    Raises:
        ValueError: nothing between a tenth and ten is.
    """

    def excess(log: float) -> float:
        return float(softmax((logits / np.exp(log)).astype(np.float32)).max(axis=1).mean() - confidence)

    return float(np.exp(brentq(excess, np.log(0.1), np.log(10), xtol=1e-4)))


def scaled(calibration: Calibration, factor: float) -> Calibration:
    """With all temperatures times a factor; tenths of it are as fine as it is known."""
    lengths = tuple((seconds, round(value * round(factor, 1), 2)) for seconds, value in calibration.temperatures)
    return calibration.model_copy(update={"temperatures": lengths})


def write(model: onnx.ModelProto, calibration: Calibration, revision: str) -> None:
    """Put a calibration into the readout of emotions in a model's metadata.

    Raises:
        ValueError: it has none.
    """
    metadata = Metadata.from_properties({item.key: item.value for item in model.metadata_props})
    main = metadata.emotions
    if main is None:
        raise ValueError("the model has no readout of emotions")
    readouts = tuple(
        Readout(**{**dict(item), "calibration": calibration}) if item is main else item
        for item in metadata.readouts
    )
    changes = {"readouts": readouts, "revision": revision, "embedding_revision": metadata.embeddings_of}
    del model.metadata_props[:]
    helper.set_model_props(model, metadata.model_copy(update=changes).to_properties())


if __name__ == "__main__":
    main()
