"""What fits of lite's kind show of corpora that they were made without, as training measured it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRAINING = Path(__file__).parents[2] / "training"
RECIPE = "5.2 tuned plain, seed 0, constant 0.96"
CORPORA = ("emodb", "ravdess", "nemo", "emospeech_cmd", "emogator")


@dataclass(frozen=True)
class LeftOut:
    """Unweighted recall of other networks than the model that is shipped; None: not measured.

    Attributes:
        corpus: its name.
        speakers: of five networks without a fifth of its speakers each; revision 5, the corpus's classes compete.
        whole: of one without the corpus, likewise.
        nine: of one without the corpus, made in fewer steps, with neutral's constant; all nine compete.
        relative: the same relative to 100 recordings of the corpus, half of them neutral.
    """

    corpus: str
    speakers: float | None
    whole: float | None
    nine: float | None
    relative: float | None


def left_out(directory: Path = TRAINING) -> list[LeftOut]:
    """From `measured.json` and `measured-6.json`."""
    plain, turns = (json.loads((directory / name).read_bytes()) for name in ("measured.json", "measured-6.json"))
    corpora = turns[RECIPE]["corpora"]
    return [
        LeftOut(
            name,
            _figure(plain["joint"], f"{name}, recorded", "own"),
            _figure(plain["left_out"], name, "own"),
            _figure(corpora, name, "none"),
            _figure(corpora, name, "corpus 0.50"),
        )
        for name in CORPORA
    ]


def _figure(facts: dict[str, Any], name: str, kind: str) -> float | None:
    value = facts.get(name, {}).get(kind, {}).get("unweighted")
    return None if value is None else float(value)
