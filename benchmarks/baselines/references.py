"""What it costs that reference means come from speech that a network was fitted to, or of one corpus alone."""

from pathlib import Path

import numpy as np

from benchmarks.baselines.part import Part, left_out, part
from benchmarks.baselines.stream import STREAMS, figures
from training.corpus import ACTED

RECORDINGS = 100


def references(corpora: Path, work: Path, threads: int, draws: int) -> dict[str, dict[str, list[float]]]:
    """By where they come from and stream: recall, that of neutral, and accuracy.

    A network that was fitted without two corpora hears one of them, with means of the other, which it doesn't
    know, and of the third, which it does; one that was fitted without one, with means of the others, both or one.
    """
    found: dict[str, list[list[list[float]]]] = {}
    for tested in ACTED:
        others = [name for name in ACTED if name != tested]
        for known, unknown in (others, others[::-1]):
            pair = [name for name in ACTED if name != known]
            facts = left_out(corpora, work, threads, pair)
            for title, source in (("fitted without two: known", known), ("fitted without two: unknown", unknown)):
                found.setdefault(title, []).append(_figures(part(tested, facts, [source]), draws))
        facts = left_out(corpora, work, threads, [tested])
        both = _figures(part(tested, facts, others), draws)
        for name in others:  # on the same two corpora, as a third hears worse
            found.setdefault(f"fitted without one: {name} and another", []).append(both)
            row = _figures(part(tested, facts, [name]), draws)
            found.setdefault(f"fitted without one: {name} alone", []).append(row)
    streams = [stream.name for stream in STREAMS]
    return {
        title: dict(zip(streams, np.mean(rows, axis=0).round(4).tolist(), strict=True))
        for title, rows in found.items()
    }


def _figures(own: Part, draws: int) -> list[list[float]]:
    rows = []
    for stream in STREAMS:
        found = []
        for seed in range(draws):
            chosen = stream.draw(own.labels, own.classes, RECORDINGS, seed)
            rest = np.setdiff1d(np.arange(len(own.labels)), chosen)
            facts = figures(own.relative(chosen)[rest], own.labels[rest], own.classes, stream)
            found.append([facts.recall, facts.neutral, facts.accuracy])
        rows.append(np.mean(found, axis=0).tolist())
    return rows
