"""What a baseline is worth, by the stream and by how many recordings it is made of."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.part import Part
from benchmarks.baselines.stream import STREAMS, Figures, Stream, figures
from emovox.emotions import NAMES

COUNTS = (0, 3, 5, 12, 20, 50, 100)
SAID, BY_SPEAKER, ALL = "100, share said", "100, by speaker", "all"
KINDS = (*map(str, COUNTS), ALL, SAID, BY_SPEAKER)
ROUNDS = 1000  # of resampled speakers

Table = dict[str, Any]


def curves(parts: Sequence[Part], draws: int) -> dict[str, dict[str, list[Table]]]:
    """By stream and kind of baseline: figures of each corpus, means over draws, and intervals by speaker."""
    return {
        stream.name: {kind: [_measure(part, stream, kind, draws) for part in parts] for kind in KINDS}
        for stream in STREAMS
    }


def _measure(part: Part, stream: Stream, kind: str, draws: int) -> Table:
    found: list[Figures] = []
    hits, heard = np.zeros(len(part.labels)), np.zeros(len(part.labels))
    everything = np.arange(len(part.labels))
    for seed in range(draws if kind not in ("0", ALL) else 1):
        logits, rest = part.logits, everything
        if kind != "0":
            count = stream.largest(part.labels, part.classes) if kind == ALL else int(kind.partition(",")[0])
            chosen = stream.draw(part.labels, part.classes, count, seed)
            expect = stream.shares(part.classes) if kind == SAID else None
            logits = part.relative(chosen, by_speaker=kind == BY_SPEAKER, expect=expect)
            # Of all: what `--baseline corpus` does, so its own recordings are heard, too.
            rest = everything if kind == ALL else np.setdiff1d(everything, chosen)
        found.append(figures(logits[rest], part.labels[rest], part.classes, stream))
        hits[rest] += np.array(NAMES)[logits[rest].argmax(axis=1)] == part.labels[rest]
        heard[rest] += 1
    facts = {name: _mean([asdict(item)[name] for item in found]) for name in asdict(found[0])}
    return {**facts, "interval": interval(part, hits / np.maximum(heard, 1), heard > 0)}


def interval(part: Part, hits: NDArray[np.float64], heard: NDArray[np.bool_]) -> list[float]:
    """Of unweighted recall, 95 %: speakers drawn again, with all their recordings."""
    speakers, numbers = np.unique(part.speakers, return_inverse=True)
    size = len(speakers), len(part.classes)
    right, clips = np.zeros(size), np.zeros(size)
    for column, name in enumerate(part.classes):
        own = heard & (part.labels == name)
        right[:, column] = np.bincount(numbers[own], hits[own], len(speakers))
        clips[:, column] = np.bincount(numbers[own], minlength=len(speakers))
    times = np.random.default_rng(0).multinomial(len(speakers), np.full(len(speakers), 1 / len(speakers)), ROUNDS)
    recalls = (times @ right) / np.maximum(times @ clips, 1e-9)
    return [round(float(value), 4) for value in np.percentile(recalls.mean(axis=1), [2.5, 97.5])]


def _mean(values: Sequence[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: _mean([value[name] for value in values]) for name in values[0]}
    return round(float(np.mean(values)), 4)


def table(title: str, facts: dict[str, dict[str, list[Table]]]) -> str:
    """In Markdown: means over the corpora, and the lowest recall of one."""
    lines = ["", f"{title}: unweighted recall / recall of neutral / accuracy in the stream, lowest recall", ""]
    lines += [f"| share of neutral | {' | '.join(KINDS)} |", "| --- " * (len(KINDS) + 1) + "|"]
    for stream, rows in facts.items():
        cells = []
        for kind in KINDS:
            recall, neutral, accuracy = (
                100 * np.array([row[name] for row in rows[kind]]) for name in ("recall", "neutral", "accuracy")
            )
            means = f"{recall.mean():.0f} / {neutral.mean():.0f} / {accuracy.mean():.0f}"
            cells.append(f"{means}, {recall.min():.0f}")
        lines.append(f"| {stream} | {' | '.join(cells)} |")
    return "\n".join(lines)


def details(facts: dict[str, dict[str, list[Table]]], corpora: Sequence[str], kind: str = "100") -> str:
    """In Markdown: macro F1, calibration error, intervals and recall by class, without and with a baseline."""
    lines = ["", f"Without → of {kind}: macro F1 and calibration error in the stream, recall by speaker", ""]
    lines += [
        f"| stream | macro F1 | calibration error | {' | '.join(corpora)} |",
        "| --- " * (len(corpora) + 3) + "|",
    ]
    for stream, rows in facts.items():
        cells = [
            " → ".join(f"{np.mean([row[name] for row in rows[which]]):.2f}" for which in ("0", kind))
            for name in ("macro_f1", "calibration")
        ]
        for number in range(len(corpora)):
            before, after = rows["0"][number], rows[kind][number]
            cells.append(" → ".join(map(_span, (before, after))))
        lines.append(f"| {stream} | {' | '.join(cells)} |")
    names = [name for name in NAMES if any(name in row["recalls"] for row in next(iter(facts.values()))["0"])]
    lines += ["", "Recall by class", "", f"| stream | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    for stream, rows in facts.items():
        cells = []
        for name in names:
            values = [
                100 * np.mean([row["recalls"][name] for row in rows[which] if name in row["recalls"]])
                for which in ("0", kind)
            ]
            cells.append(" → ".join(f"{value:.0f}" for value in values))
        lines.append(f"| {stream} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _span(row: Table) -> str:
    low, high = row["interval"]
    return f"{100 * row['recall']:.0f} ({100 * low:.0f} to {100 * high:.0f})"
