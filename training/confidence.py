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
WHOLE = 4.0  # seconds from which on a clip is as sure as a whole one
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
    if len(turns) > 1:
        plain, relative = _whole(turns, constant), _relative(turns, kept)
        found["corpus"] = _crossed(relative, plain)
    return found


def _whole(turns: Sequence[Unheard], constant: float) -> dict[str, Labelled]:
    return {voices.name: _labelled(voices, one.logits(voices, constant)) for one, voices in _heard(turns)}


def _relative(turns: Sequence[Unheard], kept: float) -> dict[str, Labelled]:
    parts = {}
    for one, voices in _heard(turns):
        chosen = draw(voices, shared(voices.name, tuple(BY_NAME)), _HALF, COUNT, 0)
        parts[voices.name] = _labelled(voices, one.relative(voices, chosen, False, kept))
    return parts


def _heard(turns: Sequence[Unheard]) -> list[tuple[Unheard, Voices]]:
    return [(one, one.heard[one.turn.corpus, 0.0]) for one in turns]


def calibration(turns: Sequence[Unheard], constant: float, kept: float = 0.0) -> tuple[float, Calibration]:
    """The temperature of whole clips, and what shorter ones are divided by besides; thresholds; of all turns.

    Args:
        turns: as for `confidence`.
        constant: neutral's, before the temperature, without a baseline.
        kept: what of it stays with one.
    """
    plain = list(_whole(turns, constant).values())
    whole = temperature_of(plain)
    factors = []
    for seconds in PIECES:
        pieces = [(one, one.heard.get((one.turn.corpus, seconds))) for one in turns]
        parts = [_labelled(voices, one.logits(voices, constant)) for one, voices in pieces if voices is not None]
        factors.append(max(1.0, temperature_of(parts) / whole))
    factors = np.maximum.accumulate(factors[::-1])[::-1].tolist()  # a shorter piece is never surer
    thresholds = [_join(parts, whole).threshold() for parts in (plain, list(_relative(turns, kept).values()))]
    unsure, unsure_relative = (None if each is None else round(each, 2) for each in thresholds)
    lengths = tuple((seconds, round(factor, 2)) for seconds, factor in zip(PIECES, factors, strict=True))
    return whole, Calibration(
        temperatures=(*lengths, (WHOLE, 1.0)), unsure=unsure, unsure_relative=unsure_relative
    )


def _labelled(voices: Voices, logits: Floats) -> Labelled:
    rest = np.isfinite(logits[:, 0])
    labels = voices.labels[rest]
    return logits[rest], labels, stream(labels, shared(voices.name, tuple(BY_NAME)), _HALF)


def _crossed(parts: dict[str, Labelled], tempered: dict[str, Labelled] | None = None) -> Table:
    """Each corpus by what the others ask for, and what all ask for together; temperatures of `tempered`."""
    everything, tempered = list(parts.values()), tempered or parts
    temperature = temperature_of(list(tempered.values()))
    table: Table = {"temperature": temperature, "unsure": _join(everything, temperature).threshold()}
    for name, part in parts.items():
        others = [own for other, own in parts.items() if other != name]
        own_temperature = temperature_of([own for other, own in tempered.items() if other != name])
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
