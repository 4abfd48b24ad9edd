"""The command that makes `lite-free`: fitted to permissive speech alone, so that companies may use it.

python -m training.free lite-free.onnx --corpora ../shared/corpora --measured training/measured-free.json

The encoder is pruned and its blocks are tuned on that speech, too. Corpora under other licences only measure: one
temperature for confidences and the thresholds of `unsure` come of them, and the figures of its card.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from emovox.files import replacing
from training import reference
from training.confidence import calibration
from training.corpus import BY_NAME, EVERYDAY, LEFT_OUT, MEASURED, PERMISSIVE
from training.kept import kept_fit
from training.left_out import Turn, Unheard, heard_by
from training.material import TAPS, UNITS, gather
from training.model_file import to_model
from training.protocol import figures, rounded
from training.sampling import Options

NAME = "lite-free"
REVISION = "1"
LICENCE = "CC BY 4.0"
SOURCE = (
    f"Convolutional stem and first {max(TAPS) + 1} encoder blocks of OpenAI Whisper base (MIT), the first pruned "
    f"to {UNITS[0]} feed-forward units, the others tuned; gated units and head trained on EmoDB (CC0), "
    "EmoGator (Apache-2.0), ESC-10 (CC BY 3.0); everyday speech taken for neutral: Arabic Speech Commands (CC BY "
    "4.0), Picovoice (Apache-2.0), Mycroft Precise (public domain)"
)
NEVER_HEARD = tuple(name for name in LEFT_OUT if name not in PERMISSIVE)
CONSTANTS = (-0.5, 0.0, 0.5)  # of neutral's logit, before the temperature
EVERYDAY_SHARE = 0.4  # of their shares, for the corpora are fewer: a tenth of a batch


def main() -> None:
    """Read the command line, fit, measure, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.free", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states and fits")
    parser.add_argument("--measured", type=Path, required=True, help="the JSON to write figures into")
    parser.add_argument("--neutral", type=float, default=0.0, help="neutral's constant, before the temperature")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    make(**vars(options))


def make(*, out: Path, corpora: Path, work: Path, measured: Path, neutral: float, threads: int, seed: int) -> None:
    """Fit, measure on what it never heard, and write the model file."""
    material = gather(
        corpora,
        work,
        precision="fp16",
        seed=seed,
        threads=threads,
        everyday=True,
        trained=[BY_NAME[name] for name in PERMISSIVE],
        measured=[*(BY_NAME[name] for name in NEVER_HEARD), *MEASURED],
    )
    unheard = {*NEVER_HEARD, *(corpus.name for corpus in MEASURED)}
    clips = [clip for clip in material.clips if clip.corpus not in unheard]
    fit = replace(Options(), everyday=EVERYDAY_SHARE, placed=0.4)
    key, network = kept_fit(material, clips, fit, seed=seed, work=work)
    turns: list[Unheard] = []
    for name in NEVER_HEARD:
        others = tuple(other for other in NEVER_HEARD if other != name)
        turns.append(heard_by(key, network, material, Turn(name, (), chooses=False, unknown=others), work=work))
    tables = {constant: figures(turns, constant, 0.0) for constant in {*CONSTANTS, neutral}}
    facts = {f"constant {constant:g}": rounded(table) for constant, table in tables.items()}
    with replacing(measured, durable=False) as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())
    temperature, calibrated = calibration(turns, neutral)
    model = to_model(
        network,
        material,
        temperature=temperature,
        neutral=neutral / temperature,
        calibration=calibrated,
        name=NAME,
        revision=REVISION,
        licence=LICENCE,
        source=SOURCE,
        corpora=(*PERMISSIVE, *(corpus.name for corpus in EVERYDAY)),
    )
    onnx.save(model, out)
    reference.add(out, out, corpora, names=("emodb",))


if __name__ == "__main__":
    main()
