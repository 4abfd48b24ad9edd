"""What every fit is made of: clips, the pruned encoder, and kept states of the clips in every version."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from emovox.audio.waveform import Waveform
from emovox.files import replacing
from training import augment
from training.builder import Precision
from training.corpus import (
    BY_NAME,
    CORPORA,
    EVERYDAY,
    MEASURED,
    Clip,
    Corpus,
    deal,
    read_corpus,
    read_waveform,
    speaker_of,
)
from training.graph import Encoder, Floats, build_states
from training.prune import prune
from training.states import States, Version, compute
from training.whisper import read_encoder

FOLDS = 5
TAPS = (0, 2)  # blocks whose states are kept, counted from 0; those behind the first one are tuned
MERGE = 1  # the block before which frames are merged two by two
UNITS = (896,)  # of Whisper's 2048 in the feed-forward layers before it: what eight milliseconds allow
CONDITIONS: tuple[augment.Condition, ...] = ("noise", "telephone", "reverb")
TESTED_IN_CONDITIONS = ("emodb",)
_PRUNED = tuple(f"layer_{block}/ffn/" for block in range(len(UNITS)))
_PRUNED_ON = 300  # clips that the pruned layers are fitted to, half of them degraded
_PLACED = 1
_PLACED_CLIPS, _PLACED_EVERYDAY = 350, 200  # of a corpus, of a set, in each copy
_PIECES_OF = 6  # every sixth clip
PIECES = (0.5, 1.0, 2.0)  # seconds
_ROOMS = 40  # simulated, and as many synthetic

_LOG = logging.getLogger("training")


@dataclass(frozen=True)
class Material:
    """Clips and their states.

    Attributes:
        clips: all that are used.
        folds: in which each speaker is tested.
        encoder: Whisper's first blocks, pruned.
        sha256: checksum of Whisper's file.
        versions: as recorded, then the degraded copies and those in other voices.
        conditions: states under each test condition, of the corpora that are tested so.
        placed: copies made alike everyday recordings.
        pieces: states of pieces of each clip, by their seconds.
    """

    clips: list[Clip]
    folds: dict[str, int]
    encoder: Encoder
    sha256: str
    versions: list[States]
    conditions: dict[str, States]
    placed: list[States] = field(default_factory=list)
    pieces: dict[float, States] = field(default_factory=dict)

    def fold(self, clip: Clip) -> int:
        """The fold in which a clip is tested, or -1: never."""
        return self.folds[speaker_of(clip)]


def gather(
    corpora: Path,
    work: Path,
    *,
    precision: Precision,
    seed: int,
    threads: int,
    plain: bool = False,
    everyday: bool = False,
    trained: Sequence[Corpus] = CORPORA,
    measured: Sequence[Corpus] = MEASURED,
) -> Material:
    """Read, prune, and compute all states, or take them from `work`.

    Args:
        corpora: folder of the lists.
        work: where states are kept.
        precision: of the encoder's weights.
        seed: of all that is random.
        threads: processes that compute states.
        plain: without the degraded copies, other voices and conditions.
        everyday: with the everyday sets, those that only measure among them, copies placed as they are, and
            pieces. The encoder is pruned on the same clips all the same.
        trained: emotional corpora to fit and prune on.
        measured: with the everyday sets, those that are only measured on, as recorded and in pieces.
    """
    emotional = [clip for corpus in trained for clip in read_corpus(corpora, corpus.name)]
    folds = deal(emotional, FOLDS)
    whisper = read_encoder()

    @cache
    def training() -> augment.Surroundings:
        rooms = augment.simulated_rooms(_ROOMS, seed + 1) + augment.synthetic_rooms(_ROOMS, seed + 2)
        return augment.Surroundings(rooms, _noises(corpora, emotional, folds, tested=False))

    @cache
    def testing() -> augment.Surroundings:
        rooms = augment.simulated_rooms(_ROOMS, seed + 3)
        return augment.Surroundings(rooms, _noises(corpora, emotional, folds, tested=True))

    def pruned() -> dict[str, Floats]:
        heard = _some(corpora, emotional, training(), seed)
        return prune(whisper.variables, UNITS, MERGE, heard, precision)

    facts = f"{UNITS} {MERGE} {precision} {seed} {whisper.sha256} {[clip.path for clip in emotional]}"
    encoder = Encoder({**whisper.variables, **_kept(work, facts, pruned)}, MERGE, TAPS)
    model = build_states(encoder, precision)
    _LOG.info("%d clips of %d speakers; the encoder is pruned", len(emotional), len(folds))

    def states(
        version: Version, chosen: list[Clip], surroundings: Callable[[], augment.Surroundings] = training
    ) -> States:
        return compute(model, corpora, chosen, version, surroundings, work=work, seed=seed, processes=threads)

    usable, clips = emotional, emotional
    if everyday:
        usable = usable + [clip for corpus in EVERYDAY for clip in read_corpus(corpora, corpus.name)]
        clips = usable + [clip for corpus in measured for clip in read_corpus(corpora, corpus.name)]
    versions = [states(Version("recorded"), clips)]
    placed, pieces = [], {}
    if everyday:
        placed = [
            states(Version(f"placed{copy}", placed=copy), _placed(usable, copy)) for copy in range(1, _PLACED + 1)
        ]
        spoken = [c for c in clips if c.corpus not in ("esc10", "emogator") and c.number % _PIECES_OF == 0]
        pieces = {seconds: states(Version(f"piece{seconds:g}", seconds=seconds), spoken) for seconds in PIECES}
    if plain:
        return Material(clips, folds, encoder, whisper.sha256, versions, {}, placed, pieces)
    for copy in range(1, max(corpus.copies for corpus in trained) + 1):
        versions.append(
            states(Version(f"copy{copy}", copy=copy), [c for c in usable if BY_NAME[c.corpus].copies >= copy])
        )
    for voice in range(1, max(corpus.voices for corpus in trained) + 1):
        own = [clip for clip in usable if BY_NAME[clip.corpus].voices >= voice]
        versions.append(states(Version(f"voice{voice}", voice=voice), own))
    tested = [clip for clip in clips if clip.corpus in TESTED_IN_CONDITIONS]
    conditions: dict[str, States] = {}
    for name in CONDITIONS:
        conditions[name] = states(Version(name, condition=name), tested, testing)
    return Material(clips, folds, encoder, whisper.sha256, versions, conditions, placed, pieces)


def _kept(work: Path, facts: str, pruned: Callable[[], dict[str, Floats]]) -> dict[str, Floats]:
    """The pruned layers, computed once."""
    path = work / f"pruned-{hashlib.sha256(facts.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        layers = {name: values for name, values in pruned().items() if name.startswith(_PRUNED)}
        work.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=False) as file:
            np.savez(file, allow_pickle=False, **{name.replace("/", "."): v for name, v in layers.items()})
    with np.load(path, allow_pickle=False) as arrays:
        return {name.replace(".", "/"): arrays[name] for name in arrays.files}


def _placed(clips: list[Clip], copy: int) -> list[Clip]:
    """Some clips of speech that may be trained on; of large corpora each copy has others."""
    without = ("esc10", "emogator")
    everyday = {corpus.name for corpus in EVERYDAY}
    chosen: list[Clip] = []
    for corpus in {clip.corpus: None for clip in clips if clip.corpus not in without}:
        own = sorted((clip for clip in clips if clip.corpus == corpus), key=lambda clip: clip.number)
        count = _PLACED_EVERYDAY if corpus in everyday else _PLACED_CLIPS
        first = (copy - 1) * count % len(own)
        chosen += [*own[first:], *own[:first]][:count]
    return chosen


def _some(corpora: Path, clips: list[Clip], surroundings: augment.Surroundings, seed: int) -> list[Waveform]:
    """Clips of every corpus of voices, as many of one as of another, every second one degraded."""
    rng = np.random.default_rng(seed)
    voices = list({clip.corpus: None for clip in clips if clip.corpus != "esc10"})
    chosen = []
    for name in voices:
        own = [clip for clip in clips if clip.corpus == name]
        chosen += [own[index] for index in rng.permutation(len(own))[: _PRUNED_ON // len(voices)]]
    waveforms = [read_waveform(corpora / clip.path) for clip in chosen]
    return [augment.degrade(wave, rng, surroundings) if turn % 2 else wave for turn, wave in enumerate(waveforms)]


def _noises(corpora: Path, clips: list[Clip], folds: dict[str, int], *, tested: bool) -> list[Waveform]:
    """Recorded noise to add: a fifth of it is kept for tests, the rest for copies."""
    return [
        read_waveform(corpora / clip.path)
        for clip in clips
        if clip.corpus == "esc10" and (folds[speaker_of(clip)] == 0) == tested
    ]
