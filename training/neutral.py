"""The command that measures what a constant added to neutral's logit does, and chooses it.

python -m training.neutral --corpora ../shared/corpora --work training/work --out training/neutral.json

Acted corpora are balanced, and the world is mostly neutral: to a network that was fitted to them neutral is one
class of seven. What makes it the likely one that it is, is a constant, added to its logit after the temperature:
the head's weights, and so the embeddings, stay as they were fitted.

The rule: half of the everyday sets and all corpora left out but one choose, the others report. Of the constants
that cost the unweighted recall of those corpora a point at most, the one is chosen with which most is right in a
stream of four fifths neutral, half of these from everyday sets. Every corpus and either half reports in its turn.

The everyday sets are heard by the bundled model, which knows none of them; corpora and speakers left out by
networks of units alone, fitted to the clips as recorded: a minute of one core each.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.evaluation.metrics import Measures, measure_logits
from emovox.models.catalog import resolve
from emovox.models.readout import EMOTION
from emovox.models.runtime.engine import Engine
from training.corpus import ACTED, BY_NAME, read_tsv, read_waveform
from training.experiments import (
    RECORDED,
    Heard,
    Key,
    calibrate,
    join,
    joint,
    leave_one_out,
    shared,
    with_neutral,
)
from training.material import gather
from training.sampling import Options

NEUTRAL = 1.5
"""What is added to neutral's logit, by this command's figures."""

CONSTANTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
HALVES = (
    ("arabic_commands", "picovoice_commands", "picovoice_wakewords"),  # whose speakers may be the same: one side
    ("mycroft_precise", "fsdd"),
)
STREAM = 0.8  # of it is neutral
LOSS = 0.01  # of unweighted recall, at most
SHORT = 2.0  # seconds
FELT = ("angry", "happy", "sad")

Floats = NDArray[np.float32]
Table = dict[str, Any]


def main() -> None:
    """Read the command line, measure, write JSON, and print the tables of training/README.md."""
    parser = argparse.ArgumentParser(prog="python -m training.neutral", description=__doc__.splitlines()[0])
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="where states are kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    material = gather(options.corpora, options.work, precision="fp16", seed=0, threads=options.threads, plain=True)
    units = Options(stages=Options().stages[:1])
    held_out = joint(material, units, seed=0)
    left_out = leave_one_out(material, units, seed=0)
    facts = figures(options.corpora, held_out, left_out, everyday(options.corpora))
    options.out.write_text(json.dumps(facts, indent=1) + "\n")
    print(tables(facts))


def figures(
    corpora: Path, held_out: Mapping[Key, Heard], left_out: Mapping[str, Heard], sets: Mapping[str, Heard]
) -> Table:
    """All curves, and what is chosen by them; logits of the fits as they are, those of the sets as shipped."""
    temperature, _ = calibrate(held_out, 0)
    unheard = {name: heard.shipped(temperature, 0) for name, heard in left_out.items()}
    speakers = {name: held_out[name, RECORDED].shipped(temperature, 0) for name in ACTED}
    short = join([_short(corpora, unheard[name]) for name in ("emodb", "nemo")])
    facts: Table = {
        "temperature": round(temperature, 4),
        "left out": {name: _curve(_spoken(name, heard)) for name, heard in unheard.items()},
        "everyday": {name: _curve(heard) for name, heard in sets.items()},
        "short": _curve(_spoken("nemo", short)),
        "speakers": {name: _curve(heard) for name, heard in speakers.items()},
        "speakers, own classes": {name: _curve(heard, BY_NAME[name].labels) for name, heard in speakers.items()},
        "speakers together": _curve(join(list(speakers.values()))),
    }
    facts["choices"] = choices(facts["left out"], facts["everyday"])
    return facts


def everyday(corpora: Path) -> dict[str, Heard]:
    """What the bundled model, without its constant, hears in the everyday sets, of which it knows none."""
    engine = Engine(resolve("lite"), engine="onnxruntime", threads=1)
    found = {}
    for name in (name for half in HALVES for name in half):
        clips = read_tsv(corpora / f"{name}.tsv")
        rows = [engine.run([read_waveform(corpora / clip.path)])[0].logits[EMOTION] for clip in clips]
        logits = with_neutral(np.stack(rows), -NEUTRAL)
        found[name] = Heard(clips, logits, np.zeros(len(clips), np.int64))
    return found


def measured(heard: Heard, classes: Sequence[str] = NAMES) -> dict[str, float]:
    """The figures of the tables, for logits as they are."""
    measures: Measures = measure_logits(heard.logits, heard.labels, classes)
    recalls = measures.recalls
    others = [recalls[name] for name in measures.classes if name != "neutral"]
    neutral = recalls.get("neutral", 0.0)
    return {
        "unweighted": measures.unweighted,
        "weighted": measures.weighted,
        "neutral": neutral,
        "others": float(np.mean(others)) if others else 0.0,
        "stream": STREAM * neutral + (1 - STREAM) * float(np.mean(others)) if others else neutral,
        "confidence": measures.confidence,
        "calibration_error": measures.calibration_error,
        **{name: recalls[name] for name in FELT if name in recalls},
    }


def choose(corpora: Sequence[Table], sets: Sequence[Table]) -> float:
    """The constant that these curves ask for, by the rule above."""

    def mean(curves: Sequence[Table], figure: str, constant: float) -> float:
        return float(np.mean([curve[f"{constant:g}"][figure] for curve in curves]))

    def stream(constant: float) -> float:
        neutral = (mean(corpora, "neutral", constant) + mean(sets, "neutral", constant)) / 2
        return STREAM * neutral + (1 - STREAM) * mean(corpora, "others", constant)

    least = mean(corpora, "unweighted", 0) - LOSS
    return max((value for value in CONSTANTS if mean(corpora, "unweighted", value) >= least), key=stream)


def choices(left_out: Mapping[str, Table], sets: Mapping[str, Table]) -> list[Table]:
    """What is chosen without each corpus and half, and what it does there; figures at 0 and at what was chosen."""
    found = []
    for corpus, (half, other) in product(left_out, (HALVES, HALVES[::-1])):
        others = [curve for name, curve in left_out.items() if name != corpus]
        constant = choose(others, [sets[name] for name in half])
        reported = {corpus: left_out[corpus], **{name: sets[name] for name in other}}
        found.append(
            {
                "reports": list(reported),
                "chosen": constant,
                "unweighted": [left_out[corpus][f"{value:g}"]["unweighted"] for value in (0, constant)],
                "neutral": [
                    {name: curve[f"{value:g}"]["neutral"] for name, curve in reported.items()}
                    for value in (0, constant)
                ],
            }
        )
    return found


def tables(facts: Table) -> str:
    """In Markdown."""
    head = f"| | | {' | '.join(f'{value:+g}' if value else '0' for value in CONSTANTS)} |"
    lines = [head, "| --- " * (len(CONSTANTS) + 2) + "|"]

    def row(title: str, figure: str, curves: Sequence[Table]) -> None:
        means = [np.mean([curve[f"{value:g}"][figure] for curve in curves]) for value in CONSTANTS]
        lines.append(f"| {title} | {figure} | " + " | ".join(f"{100 * value:.1f}" for value in means) + " |")

    left_out, sets = facts["left out"], facts["everyday"]
    for name, curve in left_out.items():
        for figure in ("unweighted", "neutral"):
            row(f"{name} left out", figure, [curve])
    for figure in ("unweighted", "neutral", "others", "stream", *FELT, "calibration_error"):
        row("the mean", figure, [curve for curve in left_out.values() if figure in curve["0"]])
    for figure in FELT:
        row(f"clips up to {SHORT:g} s of EmoDB and nEMO left out", figure, [facts["short"]])
    for name, curve in sets.items():
        row(name, "neutral", [curve])
    row("the mean", "neutral", list(sets.values()))
    for name, curve in facts["speakers, own classes"].items():
        row(f"{name}, speakers left out, own classes", "unweighted", [curve])
    row("the three, speakers left out, all nine", "unweighted", list(facts["speakers"].values()))
    row("the three together", "calibration_error", [facts["speakers together"]])
    lines += ["", "| reports | chosen | unweighted | neutral |", "| --- " * 4 + "|"]
    for item in facts["choices"]:
        unweighted = " → ".join(f"{100 * value:.1f}" for value in item["unweighted"])
        neutral = "; ".join(
            f"{name} {100 * before:.0f} → {100 * item['neutral'][1][name]:.0f}"
            for name, before in item["neutral"][0].items()
        )
        lines.append(f"| {', '.join(item['reports'])} | {item['chosen']:+g} | {unweighted} | {neutral} |")
    return "\n".join(lines)


def _curve(heard: Heard, classes: Sequence[str] = NAMES) -> Table:
    return {
        f"{constant:g}": {
            name: round(value, 4)
            for name, value in measured(
                replace(heard, logits=with_neutral(heard.logits, constant)), classes
            ).items()
        }
        for constant in CONSTANTS
    }


def _spoken(corpus: str, heard: Heard) -> Heard:
    """The clips whose labels another corpus has, too."""
    labels = shared(corpus, tuple(BY_NAME))
    return heard.part(np.array([clip.label in labels for clip in heard.clips]))


def _short(corpora: Path, heard: Heard) -> Heard:
    seconds = np.array([len(read_waveform(corpora / clip.path)) for clip in heard.clips]) / 16_000
    return heard.part(seconds <= SHORT)


if __name__ == "__main__":
    main()
