"""The command that turns what was measured into the model card's tables and pictures.

python -m training.report training/measured.json --pictures docs/models
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emovox.emotions import NAMES
from emovox.evaluation.plots import draw_confusions, draw_reliability

TITLES = {
    "emodb": "EmoDB",
    "ravdess": "RAVDESS",
    "nemo": "nEMO",
    "emospeech_cmd": "emospeech_cmd",
    "emogator": "EmoGator",
    "esc10": "ESC-10",
    "all": "together",
}
ACTED = ("emodb", "ravdess", "nemo")
KINDS = ("before", "after", "shipped")  # of logits: as fitted, with the temperature, with neutral's constant too

Facts = Mapping[str, Any]


def main() -> None:
    """Read the command line, print tables, draw pictures."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__.splitlines()[0])
    parser.add_argument("measured", type=Path, help="what `training.train --transfer` wrote")
    parser.add_argument("--pictures", type=Path, required=True, help="folder for the pictures")
    options = parser.parse_args()
    facts = json.loads(options.measured.read_text())
    tables = (joint_table, transfer_table, recall_table, data_table, calibration_table)
    print("\n\n".join(table(facts) for table in tables))
    options.pictures.mkdir(parents=True, exist_ok=True)
    joint = {TITLES[name]: facts["joint"][f"{name}, recorded"]["own"] for name in ACTED}
    draw_confusions(options.pictures / "lite-speakers.png", joint)
    left_out = {TITLES[name]: facts["left_out"][name]["own"] for name in ACTED}
    draw_confusions(options.pictures / "lite-corpora.png", left_out)
    reliability = facts["calibration"]["all"]
    draw_reliability(
        options.pictures / "lite-reliability.png",
        {kind: reliability[kind] for kind in KINDS if kind in reliability},
    )


def joint_table(facts: Facts) -> str:
    """Speakers left out, by corpus and condition."""
    rows = []
    for title, tables in facts["joint"].items():
        corpus, condition = title.split(", ")
        own, every = tables["own"], tables["all"]
        rows.append(
            f"| {TITLES[corpus]} | {condition} | {own['clips']} | {len(own['classes'])} | {own['unweighted']:.3f} "
            f"| {own['weighted']:.3f} | {own['macro_f1']:.3f} | {every['unweighted']:.3f} "
            f"| {own['calibration_error']:.3f} |"
        )
    head = (
        "| corpus | as | clips | classes | unweighted | weighted | macro F1 | unweighted, all nine compete | ECE |"
    )
    return "\n".join([head, "| --- " * 9 + "|", *rows])


def transfer_table(facts: Facts) -> str:
    """Corpora left out."""
    rows = []
    for corpus, tables in facts["left_out"].items():
        shared, own, every = tables["shared"], tables["own"], tables["all"]
        rows.append(
            f"| {TITLES[corpus]} | {len(shared['classes'])} | {shared['unweighted']:.3f} "
            f"| {shared['weighted']:.3f} | {shared['macro_f1']:.3f} "
            f"| {len(own['classes'])} | {own['unweighted']:.3f} "
            f"| {every['unweighted']:.3f} | {shared['confidence']:.2f} | {shared['calibration_error']:.3f} |"
        )
    mean = sum(facts["left_out"][name]["shared"]["unweighted"] for name in ACTED) / len(ACTED)
    head = (
        "| left out | shared classes | unweighted | weighted | macro F1 | its classes | unweighted "
        "| all nine compete | confidence | ECE |"
    )
    return "\n".join([head, "| --- " * 10 + "|", *rows, f"\nmean of shared classes of acted speech: {mean:.3f}"])


def data_table(facts: Facts) -> str:
    """Two corpora left out, by networks fitted to all other data and to permissive data alone."""
    tested = tuple(facts["permissive"])
    rows = [
        f"| {kind} | " + " | ".join(f"{facts[kind][corpus]['own']['unweighted']:.3f}" for corpus in tested) + " |"
        for kind in ("left_out", "permissive")
    ]
    head = "| data | " + " | ".join(TITLES[corpus] for corpus in tested) + " |"
    return "\n".join([head, "| --- " * (len(tested) + 1) + "|", *rows])


def calibration_table(facts: Facts) -> str:
    """Expected calibration error without and with the temperature."""
    calibration = facts["calibration"]
    kinds = [kind for kind in KINDS if kind in calibration["all"]]
    rows = [
        f"| {TITLES[name]} | "
        + " | ".join(f"{calibration[name][kind]['calibration_error']:.3f}" for kind in kinds)
        + " |"
        for name in (*ACTED, "all")
    ]
    head = f"| corpus | {' | '.join(kinds)} |"
    constant = f"temperature {calibration['temperature']}, neutral {facts.get('neutral', 0):+g}"
    return "\n".join([constant, head, "| --- " * (1 + len(kinds)) + "|", *rows])


def recall_table(facts: Facts) -> str:
    """Recall by class: speakers left out, and corpora left out."""
    rows = []
    for kind, tables in (
        ("speakers", {name: facts["joint"][f"{name}, recorded"]["own"] for name in ACTED}),
        ("corpora", {name: facts["left_out"][name]["own"] for name in ACTED}),
    ):
        for corpus, table in tables.items():
            recalls = " | ".join(
                f"{table['recalls'][name]:.2f}" if name in table["recalls"] else "" for name in NAMES[:8]
            )
            rows.append(f"| {kind} | {TITLES[corpus]} | {recalls} |")
    head = "| left out | corpus | " + " | ".join(NAMES[:8]) + " |"
    return "\n".join([head, "| --- " * 10 + "|", *rows])


if __name__ == "__main__":
    main()
