"""What every fit is made of: clips, the pruned encoder, and kept states of the clips in every version."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emovox.audio.waveform import Waveform
from training import augment
from training.builder import Precision
from training.corpus import BY_NAME, CORPORA, Clip, deal, read_corpus, read_waveform, speaker_of
from training.graph import Encoder, build_states
from training.prune import prune
from training.states import States, Version, compute
from training.whisper import read_encoder

FOLDS = 5
TAPS = (0, 2)  # blocks whose states are kept, counted from 0; those behind the first one are tuned
MERGE = 1  # the block before which frames are merged two by two
UNITS = (896,)  # of Whisper's 2048 in the feed-forward layers before it: what eight milliseconds allow
CONDITIONS: tuple[augment.Condition, ...] = ("noise", "telephone", "reverb")
TESTED_IN_CONDITIONS = ("emodb",)
_PRUNED_ON = 300  # clips that the pruned layers are fitted to, half of them degraded
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
    """

    clips: list[Clip]
    folds: dict[str, int]
    encoder: Encoder
    sha256: str
    versions: list[States]
    conditions: dict[str, States]

    def fold(self, clip: Clip) -> int:
        """The fold in which a clip is tested, or -1: never."""
        return self.folds[speaker_of(clip)]


def gather(
    corpora: Path, work: Path, *, precision: Precision, seed: int, threads: int, plain: bool = False
) -> Material:
    """Read, prune, and compute all states, or take them from `work`; `plain`: of the clips as recorded alone."""
    clips = [clip for corpus in CORPORA for clip in read_corpus(corpora, corpus.name)]
    folds = deal(clips, FOLDS)
    whisper = read_encoder()
    training = augment.Surroundings(
        augment.simulated_rooms(_ROOMS, seed + 1) + augment.synthetic_rooms(_ROOMS, seed + 2),
        _noises(corpora, clips, folds, tested=False),
    )
    testing = augment.Surroundings(
        augment.simulated_rooms(_ROOMS, seed + 3), _noises(corpora, clips, folds, tested=True)
    )

    heard = _some(corpora, clips, training, seed)
    encoder = Encoder(prune(whisper.variables, UNITS, MERGE, heard, precision), MERGE, TAPS)
    model = build_states(encoder, precision)
    _LOG.info("%d clips of %d speakers; the encoder is pruned", len(clips), len(folds))

    def states(version: Version, chosen: list[Clip], surroundings: augment.Surroundings) -> States:
        return compute(model, corpora, chosen, version, surroundings, work=work, seed=seed, processes=threads)

    versions = [states(Version("recorded"), clips, training)]
    if plain:
        return Material(clips, folds, encoder, whisper.sha256, versions, {})
    for copy in range(1, max(corpus.copies for corpus in CORPORA) + 1):
        chosen_clips = [clip for clip in clips if BY_NAME[clip.corpus].copies >= copy]
        versions.append(states(Version(f"copy{copy}", copy=copy), chosen_clips, training))
    for voice in range(1, max(corpus.voices for corpus in CORPORA) + 1):
        chosen_clips = [clip for clip in clips if BY_NAME[clip.corpus].voices >= voice]
        versions.append(states(Version(f"voice{voice}", voice=voice), chosen_clips, training))
    tested = [clip for clip in clips if clip.corpus in TESTED_IN_CONDITIONS]
    conditions: dict[str, States] = {}
    for name in CONDITIONS:
        conditions[name] = states(Version(name, condition=name), tested, testing)
    return Material(clips, folds, encoder, whisper.sha256, versions, conditions)


def _some(corpora: Path, clips: list[Clip], surroundings: augment.Surroundings, seed: int) -> list[Waveform]:
    """Clips of every corpus of voices, as many of one as of another, every second one degraded."""
    rng = np.random.default_rng(seed)
    voices = [corpus.name for corpus in CORPORA if corpus.name != "esc10"]
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
