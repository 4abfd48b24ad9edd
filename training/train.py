"""The command that makes the bundled model: states, folds, calibration, the final fit, one ONNX file.

python -m training.train --corpora ../shared/corpora --out src/emovox/models/bundled/lite.onnx
"""

import argparse
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import torch

from training import experiments
from training.builder import Precision
from training.corpus import BY_NAME, CORPORA, PERMISSIVE
from training.fitting import fit
from training.material import TAPS, UNITS, Material, gather
from training.model_file import to_model
from training.neutral import NEUTRAL
from training.sampling import Options

NAME = "lite"
REVISION = "5.3"
LICENCE = "CC BY-NC-SA 4.0"
SOURCE = (
    f"Convolutional stem and first {max(TAPS) + 1} encoder blocks of OpenAI Whisper base (MIT), the first pruned "
    f"to {UNITS[0]} feed-forward units, the others tuned; gated units and head trained on EmoDB (CC0), RAVDESS, "
    "nEMO, emospeech_cmd (CC BY-NC-SA 4.0), EmoGator (Apache-2.0), ESC-10 (CC BY 3.0)"
)
_LOG = logging.getLogger("training")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument(
        "--work", type=Path, default=Path("training/work"), help="log, kept states, held-out logits"
    )
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16", help="of stored weights")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measured", type=Path, help="write what was measured here, as JSON [default: in --work]")
    parser.add_argument("--transfer", action="store_true", help="measure on corpora left out, too")
    parser.add_argument("--temperature", type=float, help="take this one, and leave out the folds that find it")
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
    measured: Path | None,
    transfer: bool,
    temperature: float | None,
) -> None:
    """Measure on speakers and corpora left out, fit to everything, and write the model."""
    started = time.monotonic()
    torch.set_num_threads(threads)
    material = gather(corpora, work, precision=precision, seed=seed, threads=threads)
    options = Options()
    facts: experiments.Table = {"options": asdict(options), "seed": seed, "neutral": NEUTRAL}
    if temperature is None:
        results = experiments.joint(material, options, seed=seed)
        _keep(work / "held_out.npz", results)
        temperature, facts["calibration"] = experiments.calibrate(results, NEUTRAL)
        shipped = {key: heard.shipped(temperature, NEUTRAL) for key, heard in results.items()}
        facts["joint"] = experiments.tables(shipped)
        _LOG.info("temperature %.3f", temperature)
    if transfer:
        facts |= _transfer(material, options, work, seed, temperature)
    (measured or work / "measured.json").write_text(json.dumps(facts, indent=1))

    network = fit(material.clips, material.versions, material.encoder, options, seed=seed)
    model = to_model(
        network,
        material,
        temperature=temperature,
        neutral=NEUTRAL,
        precision=precision,
        name=NAME,
        revision=REVISION,
        licence=LICENCE,
        source=SOURCE,
        corpora=tuple(corpus.name for corpus in CORPORA),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, out)
    _LOG.info("%s: %.1f MB after %.0f s", out, out.stat().st_size / 1e6, time.monotonic() - started)


def _transfer(
    material: Material, options: Options, work: Path, seed: int, temperature: float
) -> experiments.Table:
    left_out = experiments.leave_one_out(material, options, seed=seed)
    _keep(work / "left_out.npz", {(corpus, experiments.RECORDED): heard for corpus, heard in left_out.items()})
    permissive = experiments.permissive(material, options, seed=seed)
    return {
        kind: experiments.transfer_tables(
            {corpus: heard.shipped(temperature, NEUTRAL) for corpus, heard in results.items()}, corpora
        )
        for kind, results, corpora in (
            ("left_out", left_out, tuple(BY_NAME)),
            ("permissive", permissive, PERMISSIVE),
        )
    }


def _keep(path: Path, results: Mapping[experiments.Key, experiments.Heard]) -> None:
    """Keep the logits of every clip that was tested."""
    arrays = {}
    for (corpus, condition), heard in results.items():
        arrays[f"{corpus}-{condition}-logits"] = heard.logits
        arrays[f"{corpus}-{condition}-paths"] = np.array([clip.path for clip in heard.clips])
    np.savez(path, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
