"""What confidences are worth on corpora left out, in a half-neutral stream: by length, and where to say unsure.

Temperatures and thresholds come of the other turns, so that a corpus never has a say in what is told of it.
"""

from collections.abc import Sequence

import numpy as np

from emovox.models.readout import Calibration
from training.corpus import BY_NAME
from training.experiments import Table, shared
from training.left_out import Floats, Unheard, Voices, draw
from training.material import PIECES
from training.verdicts import Labelled, Verdicts, stream, temperature_of

COUNT = 100  # recordings of a baseline
_HALF = 0.5


def confidence(turns: Sequence[Unheard], constant: float, kept: float) -> Table:
    """For whole clips and pieces without a baseline, and whole clips with one: temperatures, errors, thresholds.

    Args:
        turns: two or more.
        constant: neutral's, without a baseline.
        kept: what of it stays with one.
    """
    found: Table = {}
    for seconds in (0.0, *PIECES):
        parts = {}
        for one in turns:
            if (voices := one.heard.get((one.turn.corpus, seconds))) is not None:
                parts[voices.name] = _labelled(voices, one.logits(voices, constant))
        if len(parts) > 1:
            found[f"{seconds:g} s" if seconds else "whole"] = _crossed(parts)
    relative = {}
    for one in turns:
        voices = one.heard[one.turn.corpus, 0.0]
        chosen = draw(voices, shared(voices.name, tuple(BY_NAME)), _HALF, COUNT, 0)
        relative[voices.name] = _labelled(voices, one.relative(voices, chosen, False, kept))
    if len(relative) > 1:
        found["corpus"] = _crossed(relative)
    return found


def calibration(table: Table) -> tuple[float, Calibration]:
    """A temperature for whole clips, and by what else shorter ones are divided; thresholds; of all turns together.

    Args:
        table: as `confidence` gives it.
    """
    whole = table["whole"]["temperature"]
    pieces = [(seconds, table[f"{seconds:g} s"]["temperature"] / whole) for seconds in PIECES]
    lengths = tuple((seconds, round(max(1.0, factor), 2)) for seconds, factor in pieces)
    return whole, Calibration(
        temperatures=(*lengths, (2 * PIECES[-1], 1.0)),
        unsure=_rounded(table["whole"]["unsure"]),
        unsure_relative=_rounded(table["corpus"]["unsure"]),
    )


def _rounded(threshold: float | None) -> float | None:
    return None if threshold is None else round(threshold, 2)


def _labelled(voices: Voices, logits: Floats) -> Labelled:
    rest = np.isfinite(logits[:, 0])
    labels = voices.labels[rest]
    return logits[rest], labels, stream(labels, shared(voices.name, tuple(BY_NAME)), _HALF)


def _crossed(parts: dict[str, Labelled]) -> Table:
    """Each corpus by what the others ask for, and what all ask for together."""
    everything = list(parts.values())
    temperature = temperature_of(everything)
    table: Table = {"temperature": temperature, "unsure": _join(everything, temperature).threshold()}
    for name, part in parts.items():
        others = [own for other, own in parts.items() if other != name]
        own_temperature = temperature_of(others)
        verdicts = Verdicts.of(*part, own_temperature)
        threshold = _join(others, own_temperature).threshold()
        covered, right = verdicts.above(1.0 if threshold is None else threshold)
        table[name] = {
            "temperature": own_temperature,
            "over": verdicts.over,
            "calibration_error": verdicts.calibration_error,
            "right": verdicts.accuracy,
            "unsure": threshold,
            "covered": covered,
            "right where sure": right,
        }
    return table


def _join(parts: Sequence[Labelled], temperature: float) -> Verdicts:
    verdicts = [Verdicts.of(*part, temperature) for part in parts]
    return Verdicts(
        np.concatenate([item.right for item in verdicts]),
        np.concatenate([item.said for item in verdicts]),
        np.concatenate([item.weights for item in verdicts]) / len(verdicts),
    )
