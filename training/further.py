"""The command that fits a model file further, with everyday speech and relative to groups, and writes another.

python -m training.further src/emovox/models/bundled/lite.onnx lite-6.onnx --corpora ../shared/corpora \
    --recipe further --temperature 1 --neutral 0.5 --revision 6

All blocks that a fit tunes are tuned further. Reference means are of the file that is written, so that
`training.reference` adds them. With --without, sets are left out, to see what it makes of what it never heard.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from emovox.emotions import NAMES
from emovox.models.metadata import CONTRACT, Metadata
from emovox.models.readout import EMOTION, Calibration, Readout
from emovox.models.runtime.engine import read_metadata
from training import graph
from training.continued import continued
from training.corpus import EVERYDAY, MEASURED
from training.kept import Start, kept_fit
from training.material import MERGE, TAPS, Material, gather
from training.network import Network
from training.neutral import NEUTRAL
from training.recipes import RECIPES
from training.sampling import Options

EVERYDAY_CREDITS = "Arabic Speech Commands (CC BY 4.0), Picovoice (Apache-2.0), Mycroft Precise (public domain)"
TEMPERATURE = 0.8063  # of revisions 5 to 5.2: training/measured.json


def start_of(path: Path, material: Material, options: Options) -> Start:
    """The bundled model's network, to go on from."""
    model = onnx.load(path)

    def network(mean: torch.Tensor, deviation: torch.Tensor) -> Network:
        return continued(
            model, material.encoder, options, mean, deviation, temperature=TEMPERATURE, neutral=NEUTRAL
        )

    facts = read_metadata(path)
    return Start(f"{facts.name} {facts.revision}", network)


def fit_further(
    path: Path, material: Material, options: Options, *, seed: int, work: Path, without: tuple[str, ...] = ()
) -> tuple[str, Network]:
    """Fit a file's network to everything but some sets, and those that only measure."""
    out = (*without, *(corpus.name for corpus in MEASURED))
    clips = [clip for clip in material.clips if clip.corpus not in out]
    start = start_of(path, material, options)
    return kept_fit(material, clips, options, seed=seed, work=work, start=start)


def to_model(
    network: Network,
    material: Material,
    old: Metadata,
    revision: str,
    temperature: float,
    neutral: float,
    calibration: Calibration | None = None,
) -> onnx.ModelProto:
    """The file's graph and what it says of itself; without reference means.

    Args:
        network: fitted.
        material: with the encoder that the blocks follow.
        old: what stays as it is.
        revision: of the file.
        temperature: folded into the head.
        neutral: constant on neutral's logit, after the temperature.
        calibration: of confidences, after both.
    """
    usual = network.usual.detach().numpy() / temperature
    prior = {name: float(value) for name, value in zip(NAMES, usual, strict=True) if value}
    prior["neutral"] = prior.get("neutral", 0.0) + neutral
    readout = Readout(
        name=EMOTION,
        kind="linear",
        activation="softmax",
        labels=NAMES,
        emotions={name: name for name in NAMES},
        prior=prior,
        calibration=calibration,
    )
    source = f"{old.source.partition('; everyday')[0]}; everyday speech taken for neutral: {EVERYDAY_CREDITS}"
    metadata = old.model_copy(
        update={
            "contract": CONTRACT,
            "revision": revision,
            "embedding_revision": None,
            "embedding_checksum": None,
            "source": source,
            "readouts": (readout,),
            "corpora": tuple(dict.fromkeys((*old.corpora, *(corpus.name for corpus in EVERYDAY)))),
        }
    )
    encoder = graph.Encoder(network.to_variables(material.encoder.variables), MERGE, TAPS[-1:])
    return graph.build(encoder, network.to_adaptor(temperature, neutral), "fp16", metadata.to_properties())


def main() -> None:
    """Read the command line, fit, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m training.further", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="the .onnx file to go on from")
    parser.add_argument("out", type=Path, help="the .onnx file to write")
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states and fits")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="further")
    parser.add_argument("--revision", default="6")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE)
    parser.add_argument("--neutral", type=float, default=0.0, help="neutral's constant")
    parser.add_argument("--without", nargs="*", default=(), help="everyday sets that are left out")
    parser.add_argument("--steps", type=int, help="of the optimiser")
    parser.add_argument("--plain", action="store_true", help="without degraded copies and other voices")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    material = gather(
        options.corpora,
        options.work,
        precision="fp16",
        seed=0,
        threads=options.threads,
        plain=options.plain,
        everyday=True,
    )
    recipe = RECIPES[options.recipe].options
    if options.steps:
        recipe = replace(recipe, stages=(replace(recipe.stages[-1], steps=options.steps),))
    _, network = fit_further(
        options.model, material, recipe, seed=options.seed, work=options.work, without=tuple(options.without)
    )
    old = read_metadata(options.model)
    model = to_model(network, material, old, options.revision, options.temperature, options.neutral)
    onnx.save(model, options.out)


if __name__ == "__main__":
    main()
