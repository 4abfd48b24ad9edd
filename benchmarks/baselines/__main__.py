"""What a baseline is worth on speech that a model never met: recall, accuracy in streams, calibration, by class.

EmoDB, RAVDESS and nEMO are tested in turn, each by a network that was fitted without it, and with reference means
of the other two: as training.neutral does, of units alone, a minute of one core each. The bundled model itself
knows all three, so its own figures say only what a baseline costs where nothing is wrong. Nobody of them felt
anything: they are actors. Needs what training needs, and its kept states:

    python -m benchmarks.baselines --corpora ../shared/corpora --work training/work --picture docs/baselines.png
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.baselines import curves, itself
from benchmarks.baselines.distances import misfits
from benchmarks.baselines.part import bundled, unheard
from benchmarks.baselines.picture import draw
from benchmarks.baselines.references import references
from benchmarks.baselines.speed import speed
from training.corpus import ACTED


def main() -> None:
    """Read the command line, measure, print tables, and write JSON and the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states and embeddings")
    parser.add_argument("--draws", type=int, default=20, help="of the recordings that a baseline is made of")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--picture", type=Path, help="draw ten clips before and after there, .png")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts: dict[str, Any] = {"corpora": ACTED}
    parts = unheard(options.corpora, options.work, options.threads)
    facts["left out"] = curves.curves(parts, options.draws)
    print(curves.table("Left out", facts["left out"]))
    print(curves.details(facts["left out"], ACTED))
    facts["relative to itself"] = itself.itself(parts)
    print(itself.table(facts["relative to itself"]))
    facts["references"] = references(options.corpora, options.work, options.threads, options.draws)
    print(json.dumps(facts["references"], indent=1))
    heard = bundled(options.corpora, options.work)
    facts["bundled, which knows them"] = curves.curves(heard, max(1, options.draws // 4))
    print(curves.table("The bundled model, which knows them", facts["bundled, which knows them"]))
    facts["distances"] = misfits(options.corpora, options.work)
    facts["seconds"] = speed()
    print(json.dumps({name: facts[name] for name in ("distances", "seconds")}, indent=1))
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    if options.picture:
        draw(parts[0], options.picture)


if __name__ == "__main__":
    main()
