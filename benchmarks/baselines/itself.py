"""What a recording relative to itself is worth, by how many segments it has."""

from collections.abc import Sequence

import numpy as np

from benchmarks.baselines.part import Part, Rows
from benchmarks.baselines.stream import STREAMS, Stream
from emovox.baselines.fitting import of_itself
from emovox.emotions import NAMES

COUNTS = (2, 3, 4, 6, 8, 12, 16)
RECORDINGS = 250


def itself(parts: Sequence[Part]) -> dict[str, dict[str, list[list[float]]]]:
    """By stream and number of segments: recall, that of neutral, and accuracy, without and relative to itself.

    A recording is made of clips of one speaker, which are its segments; means over the corpora.
    """
    return {
        stream.name: {
            str(count): np.mean([_of_segments(part, stream, count) for part in parts], axis=0).round(4).tolist()
            for count in COUNTS
        }
        for stream in STREAMS
    }


def _of_segments(part: Part, stream: Stream, count: int) -> list[list[float]]:
    rng = np.random.default_rng(count)
    recordings = [_recording(part, stream, count, rng) for _ in range(RECORDINGS)]
    rows = np.concatenate(recordings)
    moves = [part.moved(of_itself(part.embeddings[own], part.metadata)) for own in recordings]
    logits, labels = part.logits[rows], part.labels[rows]
    heard = [name for name in part.classes if (labels == name).any()]
    found = []
    for values in (logits, logits + np.repeat(moves, count, axis=0)):
        hits = np.equal(np.array(NAMES)[values.argmax(axis=1)], labels)
        recalls = {name: float(hits[labels == name].mean()) for name in heard}
        found.append([float(np.mean(list(recalls.values()))), recalls["neutral"], float(hits.mean())])
    return found


def _recording(part: Part, stream: Stream, count: int, rng: np.random.Generator) -> Rows:
    """Rows of one speaker's clips, of emotions by the stream's shares, as far as the speaker shows them."""
    while True:
        own = np.flatnonzero(part.speakers == rng.choice(np.unique(part.speakers)))
        shares = {name: share for name, share in stream.shares(part.classes).items() if name in part.labels[own]}
        if "neutral" not in shares or not sum(shares.values()):
            continue
        weights = np.array(list(shares.values())) / sum(shares.values())
        names = rng.choice(list(shares), count, p=weights)
        return np.array([rng.choice(own[part.labels[own] == name]) for name in names])


def table(facts: dict[str, dict[str, list[list[float]]]]) -> str:
    """In Markdown."""
    lines = ["", "Relative to itself, by segments: recall / that of neutral / accuracy, without → with", ""]
    lines += [f"| share of neutral | {' | '.join(map(str, COUNTS))} |", "| --- " * (len(COUNTS) + 1) + "|"]
    for stream, rows in facts.items():
        cells = [
            " → ".join(" / ".join(f"{100 * value:.0f}" for value in values) for values in row)
            for row in rows.values()
        ]
        lines.append(f"| {stream} | {' | '.join(cells)} |")
    return "\n".join(lines)
