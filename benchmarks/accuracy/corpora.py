"""Corpora as lists, and EmoBox's: what of them is measured."""

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emovox.labels.corpora import read_layout
from emovox.labels.label_list import Labelled, read_labels
from training.corpus import BY_NAME

UNKNOWN = ("unknownuser", "noise")
"""How the name of a speaker ends who may be anybody, or nobody."""
EMOBOX = {
    "aesdd", "ased", "asvpesd", "cafe", "casia", "cremad", "emns", "emodb", "emovdb", "emovo",
    "emozionalmente", "enterface", "esd", "iemocap", "jlcorpus", "m3ed", "mead", "meld", "mer2023", "mesd",
    "msppodcast", "oreau", "pavoque", "polish", "ravdess", "resd", "savee", "shemo", "subesco", "tess",
    "turevdb", "urdu",
}  # fmt: skip
"""Corpora of EmoBox by its names: a model that was trained on EmoBox has seen them."""


@dataclass(frozen=True)
class Corpus:
    """What of a corpus is measured.

    Attributes:
        name: of the list; `EmoBox/` and its name where it is of EmoBox's.
        rows: the recordings, with the columns `corpus` and, if EmoBox has it, `dataset`.
        size: recordings of its list that could be measured.
        unknown_speakers: recordings left out as nobody knows whose they are, while others' speakers are known.
        seed: of the sample; None: all are measured.
    """

    name: str
    rows: Sequence[Labelled]
    size: int
    unknown_speakers: int
    seed: int | None

    @property
    def speakers(self) -> int | None:
        """How many there are; None: they aren't known."""
        names = {row.groups.get("speaker", "") for row in self.rows}
        return None if any(map(_is_unknown, names)) else len(names)

    @property
    def classes(self) -> int:
        """How many labels it has."""
        return len({row.label for row in self.rows})

    @property
    def digest(self) -> str:
        """Of the recordings' names and labels: of another sample it is another."""
        lines = "\n".join(sorted(f"{row.name}\t{row.label}" for row in self.rows))
        return hashlib.sha256(lines.encode()).hexdigest()[:16]


def read_lists(directory: Path, most: int, seed: int) -> Iterator[Corpus]:
    """The corpora of a folder: NAME.tsv with the columns path and label, and speaker where it is known.

    Labels are those that training uses of a corpus that it knows; a corpus that it doesn't know gives all.

    Args:
        directory: the folder.
        most: recordings of each that are measured; 0: all.
        seed: of the sample.

    Raises:
        LabelsError: a list can't be read.
    """
    for path in sorted(directory.glob("*.tsv")):
        known = BY_NAME.get(path.stem)
        rows = [row for row in read_labels(path) if known is None or row.label in known.labels]
        yield _corpus(path.stem, rows, most, seed)


def read_emobox(directory: Path, most: int, seed: int) -> Iterator[Corpus]:
    """The corpora of EmoBox's test lists that are there, with the column `fold`; arguments are as of `read_lists`.

    Raises:
        LabelsError: there are none, or one can't be read.
    """
    by_corpus: defaultdict[str, list[Labelled]] = defaultdict(list)
    for row in read_layout("emobox", directory):
        by_corpus[row.groups["corpus"]].append(row)
    for name, rows in sorted(by_corpus.items()):
        if not any(row.path.is_file() for row in rows):  # its list comes with EmoBox, its recordings don't
            continue
        yield replace(_corpus(name, rows, most, seed), name=f"EmoBox/{name}")


def _corpus(name: str, rows: Sequence[Labelled], most: int, seed: int) -> Corpus:
    known = [row for row in rows if not _is_unknown(row.groups.get("speaker", ""))] or list(rows)
    chosen = sample(known, most, seed)
    facts = {"corpus": name, **({"dataset": "EmoBox"} if name in EMOBOX else {})}
    return Corpus(
        name,
        [replace(row, groups={**row.groups, **facts}) for row in chosen],
        size=len(known),
        unknown_speakers=len(rows) - len(known),
        seed=seed if len(chosen) < len(known) else None,
    )


def sample(rows: Sequence[Labelled], most: int, seed: int) -> list[Labelled]:
    """At most so many at random, of each speaker as many as can be, in the order of the list; `most` 0: all."""
    if not most or len(rows) <= most:
        return list(rows)
    by_speaker: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_speaker[row.groups.get("speaker", "")].append(number)
    rng = random.Random(seed)
    turns = []
    for _, numbers in sorted(by_speaker.items()):
        rng.shuffle(numbers)
        turns += [(turn, rng.random(), number) for turn, number in enumerate(numbers)]
    return [rows[number] for number in sorted(number for _, _, number in sorted(turns)[:most])]


def _is_unknown(speaker: str) -> bool:
    return not speaker or speaker.endswith(UNKNOWN)
