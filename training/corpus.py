"""Labelled recordings: the lists that name them, what of them is used, and their sound."""

import csv
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emovox.audio.decoding import decode
from emovox.audio.recording import open_recording
from emovox.audio.waveform import Waveform
from emovox.emotions import NAMES

_MAX_BYTES = 1 << 30
_MAX_SECONDS = 3600.0


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        path: relative to the corpora's folder.
        label: one of the nine emotions.
        speaker: who speaks, unique among all corpora.
        corpus: the list it stands in.
    """

    path: str
    label: str
    speaker: str
    corpus: str

    @property
    def number(self) -> int:
        """A number of its own, the same on every machine: it seeds what is random about the clip."""
        return zlib.crc32(self.path.encode())


@dataclass(frozen=True)
class Corpus:
    """How a list is used in training.

    Attributes:
        name: of the list.
        share: of the clips of a batch.
        labels: those that are used.
        per_class: at most so many clips of a label; None: all.
        copies: degraded copies of each clip.
        voices: copies of each clip in another voice, else as recorded.
        licence: of the recordings.
        credit: whom their licence wants named.
        unknown_speaker: whose clips may be anybody's, so that they are never tested on.
    """

    name: str
    share: float
    labels: tuple[str, ...]
    copies: int
    licence: str
    credit: str
    voices: int = 0
    per_class: int | None = None
    unknown_speaker: str | None = None


_BASIC = ("angry", "fearful", "happy", "neutral")

# Left out: emospeech_cmd's `unknown`, which is mostly calm speech over street noise, and emogator's `other`, which
# is every emotion that has no place among the nine. Both would teach that unfamiliar speech carries no emotion.
CORPORA = (
    Corpus(
        "emodb",
        0.22,
        (*_BASIC, "disgusted", "other", "sad"),
        4,
        "CC0-1.0",
        "F. Burkhardt et al., A database of German emotional speech, Interspeech 2005",
        voices=2,
    ),
    Corpus(
        "ravdess",
        0.26,
        (*_BASIC, "disgusted", "sad", "surprised"),
        3,
        "CC BY-NC-SA 4.0",
        "S. R. Livingstone and F. A. Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song "
        "(RAVDESS), PLoS ONE 13(5), 2018",
        voices=2,
    ),
    Corpus(
        "nemo",
        0.26,
        (*_BASIC, "sad", "surprised"),
        2,
        "CC BY-NC-SA 4.0",
        "I. Christop, nEMO: Dataset of Emotional Speech in Polish, LREC-COLING 2024",
        voices=2,
    ),
    Corpus(
        "emospeech_cmd",
        0.10,
        _BASIC,
        1,
        "CC BY-NC-SA 4.0",
        "emotional keywords in Hindi and English, recorded on phones",
        per_class=260,
        unknown_speaker="emospeech_cmd_unknownuser",
    ),
    Corpus(
        "emogator",
        0.12,
        (*_BASIC, "disgusted", "sad", "surprised"),
        1,
        "Apache-2.0",
        "F. W. Buhl, EmoGator: a corpus of vocal bursts, 2023",
        per_class=200,
    ),
    Corpus(
        "esc10", 0.04, ("unknown",), 1, "CC BY 3.0", "K. J. Piczak, ESC: Dataset for Environmental Sound, 2015"
    ),
)
# Nobody rated these, and each has one kind of microphone and length: little of them, in copies like everybody's.
EVERYDAY = (
    Corpus(
        "arabic_commands",
        0.04,
        ("neutral",),
        1,
        "CC BY 4.0",
        "A. Ghandoura, F. Hjabo, O. Al Dakkak, Building and benchmarking an Arabic Speech Commands dataset for "
        "small-footprint keyword spotting, EAAI 102, 2021; clips were joined and encoded again",
        voices=1,
    ),
    Corpus("picovoice_commands", 0.02, ("neutral",), 1, "Apache-2.0", "Picovoice Inc.", voices=1, per_class=300),
    Corpus("picovoice_wakewords", 0.02, ("neutral",), 1, "Apache-2.0", "Picovoice Inc.", voices=1, per_class=300),
    Corpus(
        "mycroft_precise", 0.04, ("neutral",), 1, "public domain", "Precise community data, Mycroft AI", voices=1
    ),
)
# To measure and never to train: its share-alike licence and that of RAVDESS and nEMO can't both be met.
MEASURED = (
    Corpus("fsdd", 0.0, ("neutral",), 0, "CC BY-SA 4.0", "Z. Jackson and others, Free Spoken Digit Dataset"),
)
BY_NAME = {corpus.name: corpus for corpus in (*CORPORA, *EVERYDAY, *MEASURED)}
ACTED = ("emodb", "ravdess", "nemo")  # the corpora that the bars speak of
LEFT_OUT = (*ACTED, "emospeech_cmd")  # in turn, to see what a network makes of speech that it never met
PERMISSIVE = ("emodb", "emogator", "esc10")


def read_tsv(path: Path) -> list[Clip]:
    """The clips of a tab-separated list with columns `path` and `label`, and `speaker` where it is known."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not {"path", "label"} <= set(rows[0]):
        raise ValueError(f"{path}: no list with the columns path and label, separated by tabs")
    if wrong := {row["label"] for row in rows} - set(NAMES):
        raise ValueError(f"{path}: labels beside the nine emotions: {', '.join(sorted(wrong))}")
    return [Clip(row["path"], row["label"], row.get("speaker") or "", path.stem) for row in rows]


def read_corpus(corpora: Path, name: str) -> list[Clip]:
    """The clips of a corpus that are used: its labels, at most `per_class` of each, chosen by their numbers."""
    corpus = BY_NAME[name]
    kept: defaultdict[str, list[Clip]] = defaultdict(list)
    clips = [clip for clip in read_tsv(corpora / f"{name}.tsv") if clip.label in corpus.labels]
    for clip in sorted(clips, key=lambda clip: clip.number):
        kept[clip.label].append(clip)
    chosen = {clip for group in kept.values() for clip in group[: corpus.per_class]}
    return [clip for clip in clips if clip in chosen]


def deal(clips: Sequence[Clip], folds: int) -> dict[str, int]:
    """The fold in which each speaker is tested: the speakers of a corpus in turn, in the order of their names.

    Speakers who may be anybody get -1 and are never tested. Noise has no speaker: it is dealt by the clip.
    """
    dealt = {}
    for corpus in {clip.corpus: None for clip in clips}:
        unknown = BY_NAME[corpus].unknown_speaker
        own = sorted({speaker_of(clip) for clip in clips if clip.corpus == corpus} - {unknown})
        dealt.update({speaker: turn % folds for turn, speaker in enumerate(own)})
        if unknown:
            dealt[unknown] = -1
    return dealt


def speaker_of(clip: Clip) -> str:
    """Who is left out together with this clip: its speaker, or for noise itself."""
    return clip.path if clip.corpus == "esc10" else clip.speaker


def read_waveform(path: Path) -> Waveform:
    """The whole recording: float32, mono, 16 kHz, (samples,)."""
    with (
        open_recording(path, max_bytes=_MAX_BYTES) as recording,
        decode(recording, max_seconds=_MAX_SECONDS) as decoding,
    ):
        return np.concatenate(list(decoding.blocks()))
