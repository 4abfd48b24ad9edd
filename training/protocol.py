"""The protocol that can't flatter: corpora and everyday sets left out, some to choose by, the rest to report.

python -m training.protocol everyday relative --corpora ../shared/corpora --out training/measured-6.json

Each turn leaves out one emotional corpus and one everyday set, whole. Two corpora and one set choose settings,
with one seed; two other corpora, two other sets and the digits, which no fit ever hears, report. Fits and what
they hear are kept as they come, and figures are written after each turn.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.files import replacing
from training.confidence import COUNT, confidence
from training.corpus import BY_NAME
from training.experiments import Table, shared
from training.left_out import ALWAYS_OUT, TURNS, Unheard, draw, listen
from training.material import PIECES, gather
from training.recipes import RECIPES
from training.sampling import STREAMS
from training.verdicts import Verdicts, stream, temperature_of

DRAWS = 20

Floats = NDArray[np.float32]

_LOG = logging.getLogger("training")


def corpus_figures(unheard: Unheard, constant: float, kept: float, temperature: float) -> Table:
    """Figures of the corpus that was left out, all nine competing.

    Args:
        unheard: by which network.
        constant: neutral's, without a baseline.
        kept: what of it stays with one.
        temperature: of confidences.
    """
    voices = unheard.heard[unheard.turn.corpus, 0.0]
    classes = shared(voices.name, tuple(BY_NAME))
    plain = unheard.logits(voices, constant)
    table: Table = {"none": _recalls(plain, voices.labels, classes)}
    half = Verdicts.of(plain, voices.labels, stream(voices.labels, classes, 0.5), temperature)
    table["none"] |= {"over": half.over, "calibration_error": half.calibration_error}
    for title, speakers in (("corpus", False), ("speaker", True)):
        for neutral in STREAMS:
            rows = []
            for seed in range(DRAWS if not speakers else DRAWS // 4):
                chosen = draw(voices, classes, neutral, COUNT, seed)
                moved = unheard.relative(voices, chosen, speakers, kept)
                rest = np.isfinite(moved[:, 0])
                figures = _recalls(moved[rest], voices.labels[rest], classes)
                weights = stream(voices.labels[rest], classes, neutral)
                verdicts = Verdicts.of(moved[rest], voices.labels[rest], weights, temperature)
                figures |= {"over": verdicts.over, "calibration_error": verdicts.calibration_error}
                rows.append(figures)
            table[f"{title} {neutral:.2f}"] = {
                name: float(np.mean([row[name] for row in rows])) for name in rows[0]
            }
    return table


def _recalls(logits: Floats, labels: NDArray[np.str_], classes: Sequence[str]) -> Table:
    right = np.array(NAMES)[logits.argmax(axis=1)] == labels
    recalls = {name: float(right[labels == name].mean()) for name in classes}
    others = float(np.mean([value for name, value in recalls.items() if name != "neutral"]))
    return {
        "unweighted": float(np.mean(list(recalls.values()))),
        "others": others,
        **recalls,
        **{f"stream {share:.2f}": share * recalls["neutral"] + (1 - share) * others for share in STREAMS},
    }


def set_figures(unheard: Unheard, name: str, constant: float, kept: float, temperature: float) -> Table:
    """Figures of an everyday set that was left out: what is heard of it, and how sure."""
    voices = unheard.heard[name, 0.0]
    shifted = [unheard.relative(voices, draw(voices, ("neutral",), 1, 50, seed), False, kept) for seed in range(4)]
    table = {}
    moved = np.concatenate(shifted)
    for title, logits in (
        ("none", unheard.logits(voices, constant)),
        ("corpus", moved[np.isfinite(moved[:, 0])]),
    ):
        winners = np.array(NAMES)[logits.argmax(axis=1)]
        verdicts = Verdicts.of(logits, np.full(len(logits), "neutral"), np.ones(len(logits)), temperature)
        table[title] = {label: float((winners == label).mean()) for label in NAMES} | {"over": verdicts.over}
    return table


def figures(turns: Sequence[Unheard], constant: float, kept: float) -> Table:
    """All figures of a recipe with these constants: of each turn by the temperature of the others."""
    table: Table = {
        "constant": constant,
        "kept": kept,
        "corpora": {},
        "sets": {},
        "pieces": {},
        "temperatures": {},
    }
    parts = {}
    for unheard in turns:
        voices = unheard.heard[unheard.turn.corpus, 0.0]
        weights = stream(voices.labels, shared(voices.name, tuple(BY_NAME)), 0.5)
        parts[voices.name] = (unheard.logits(voices, constant), voices.labels, weights)
    for unheard in turns:
        name = unheard.turn.corpus
        temperature = temperature_of([part for other, part in parts.items() if other != name] or [parts[name]])
        table["temperatures"][name] = temperature
        table["corpora"][name] = corpus_figures(unheard, constant, kept, temperature)
        for own in (*unheard.turn.sets, *ALWAYS_OUT):
            table["sets"].setdefault(own, []).append(set_figures(unheard, own, constant, kept, temperature))
        for seconds in (seconds for seconds in PIECES if (name, seconds) in unheard.heard):
            voices = unheard.heard[name, seconds]
            classes = shared(name, tuple(BY_NAME))
            logits = unheard.logits(voices, constant)
            verdicts = Verdicts.of(logits, voices.labels, stream(voices.labels, classes, 0.5), temperature)
            table["pieces"].setdefault(f"{seconds:g}", {})[name] = _recalls(logits, voices.labels, classes) | {
                "over": verdicts.over,
                "calibration_error": verdicts.calibration_error,
            }
            for own in unheard.turn.sets:
                pieces = unheard.heard[own, seconds]
                winners = np.array(NAMES)[unheard.logits(pieces, constant).argmax(axis=1)]
                table["pieces"][f"{seconds:g}"].setdefault(own, []).append(
                    {
                        label: float((winners == label).mean())
                        for label in ("neutral", "angry", "fearful", "unknown")
                    }
                )
    for own, rows in table["sets"].items():
        table["sets"][own] = {
            title: {key: float(np.mean([row[title][key] for row in rows])) for key in rows[0][title]}
            for title in rows[0]
        }
    for rows in table["pieces"].values():
        for own in [key for key, value in rows.items() if isinstance(value, list)]:
            rows[own] = {key: float(np.mean([row[key] for row in rows[own]])) for key in rows[own][0]}
    table["confidence"] = confidence(turns, constant, kept)
    return table


def summary(table: Table) -> Table:
    """Means over what chooses and over what reports."""
    found: Table = {}
    for title, chooses in (("chooses", True), ("reports", False)):
        corpora = [
            table["corpora"][turn.corpus]
            for turn in TURNS
            if turn.chooses == chooses and turn.corpus in table["corpora"]
        ]
        if not corpora:
            continue
        names = [name for turn in TURNS if turn.chooses == chooses for name in turn.sets]
        names += [] if chooses else list(ALWAYS_OUT)
        sets = [table["sets"][name] for name in dict.fromkeys(names) if name in table["sets"]]
        found[title] = {
            "none": {
                key: _mean(corpora, "none", key)
                for key in ("unweighted", "neutral", "others", "over", "calibration_error")
            },
            "corpus": {f"{share:.2f}": _mean(corpora, f"corpus {share:.2f}", "unweighted") for share in STREAMS},
            "speaker": {f"{share:.2f}": _mean(corpora, f"speaker {share:.2f}", "unweighted") for share in STREAMS},
            "corpus, neutral": {
                f"{share:.2f}": _mean(corpora, f"corpus {share:.2f}", "neutral") for share in STREAMS
            },
            "right, none": {f"{share:.2f}": _mean(corpora, "none", f"stream {share:.2f}") for share in STREAMS},
            "right, corpus": {
                f"{share:.2f}": _mean(corpora, f"corpus {share:.2f}", f"stream {share:.2f}") for share in STREAMS
            },
            "everyday": {
                key: _mean(sets, "none", key) for key in ("neutral", "angry", "happy", "unknown", "over")
            },
            "everyday, corpus": {key: _mean(sets, "corpus", key) for key in ("neutral", "angry")},
        }
    return found


def _mean(tables: Sequence[Table], title: str, key: str) -> float:
    return float(np.mean([table[title][key] for table in tables]))


def rounded(value: Any) -> Any:
    """With four digits, as JSON."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Read the command line, fit, measure, and write JSON as it comes."""
    parser = argparse.ArgumentParser(prog="python -m training.protocol", description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="+", choices=tuple(RECIPES), metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--corpora", type=Path, required=True, help="folder with the lists and their clips")
    parser.add_argument("--work", type=Path, default=Path("training/work"), help="kept states, fits, embeddings")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write into")
    parser.add_argument("--report", action="store_true", help="the turns that report, too")
    parser.add_argument("--turns", nargs="*", help="only those that leave out these corpora")
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
    for name in options.recipes:
        recipe = RECIPES[name]
        turns: list[Unheard] = []
        for turn in TURNS:
            if turn.corpus in options.turns if options.turns else turn.chooses or options.report:
                turns.append(listen(material, recipe.options, turn, seed=options.seed, work=options.work))
                _keep(options, name, turns)


def _keep(options: argparse.Namespace, name: str, turns: Sequence[Unheard]) -> None:
    """Write what was measured so far, and show it."""
    facts = json.loads(options.out.read_text()) if options.out.exists() else {}
    for constant in RECIPES[name].constants:
        title = f"{name}{' plain' if options.plain else ''}, seed {options.seed}, constant {constant:g}"
        table = figures(turns, constant, 0.0)
        facts[title] = rounded(table | {"summary": summary(table)})
        print(title, json.dumps(facts[title]["summary"]), flush=True)
    with replacing(options.out, durable=False) as file:
        file.write((json.dumps(facts, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
