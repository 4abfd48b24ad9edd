"""How often a baseline is said not to fit: of its own corpus, of others, and by telephone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.baselines.embeddings import embedded
from benchmarks.baselines.part import Floats
from emovox.baselines.baseline import Baseline
from emovox.baselines.distance import FAR, distance
from emovox.baselines.fitting import fit
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import read_metadata
from training.corpus import ACTED

EVERYDAY = ("arabic_commands", "picovoice_commands", "mycroft_precise", "fsdd")


def misfits(corpora: Path, work: Path, counts: Sequence[int] = (20, 50, 100)) -> dict[str, dict[str, float]]:
    """How often a recording is said not to fit: of the baseline's own corpus, of others, and by telephone.

    The baseline is made of the speech of some recordings; the recording is the whole of another.
    """
    names = [*ACTED, *EVERYDAY]
    sets = {name: embedded(corpora, work, name) for name in names}
    lines = {name: embedded(corpora, work, name, line=True) for name in ACTED}
    facts = read_metadata(resolve("lite"))
    found: dict[str, dict[str, float]] = {}
    for name, count in ((name, count) for name in names for count in counts):
        rng = np.random.default_rng(count)
        own = rng.permutation(len(sets[name]["labels"]))
        [baseline] = fit("x", sets[name]["speech"][own[:count]], facts)
        others = np.concatenate([sets[other]["whole"][::7] for other in names if other != name])
        shares = {
            "false alarms": _far(baseline, sets[name]["whole"][own[count:]]),
            "other sets": _far(baseline, others),
        }
        if name in lines:
            shares["by telephone"] = _far(baseline, lines[name]["whole"])
        found[f"{name}, {count}"] = shares
    return found


def _far(baseline: Baseline, embeddings: Floats) -> float:
    return round(float(np.mean([(distance(baseline, row) or 0) > FAR for row in embeddings])), 3)
