"""What networks make of the corpora and everyday sets that they were fitted without, turn by turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emovox.baselines.baseline import Baseline
from emovox.baselines.fitting import fit as fit_baselines
from emovox.baselines.shift import shift
from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.readout import EMOTION, Readout
from training.corpus import ACTED, BY_NAME, Clip
from training.kept import kept_embeddings, kept_fit
from training.material import Material
from training.network import Network
from training.reference import NO_EMOTION, PER_CLASS, reference, some
from training.sampling import Options

_NEUTRAL = NAMES.index("neutral")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Turn:
    """What is left out of a fit.

    Attributes:
        corpus: of emotional speech.
        sets: of everyday speech.
        chooses: settings may be chosen by what it shows.
        unknown: other corpora that the fit doesn't know either.
    """

    corpus: str
    sets: tuple[str, ...]
    chooses: bool
    unknown: tuple[str, ...] = ()


PICOVOICE = ("picovoice_commands", "picovoice_wakewords")  # one side of any split: they may share speakers
TURNS = (
    Turn("emodb", PICOVOICE, chooses=True),
    Turn("nemo", PICOVOICE, chooses=True),
    Turn("ravdess", ("arabic_commands",), chooses=False),
    Turn("emospeech_cmd", ("mycroft_precise",), chooses=False),
)
ALWAYS_OUT = ("fsdd",)


@dataclass(frozen=True)
class Voices:
    """Clips of a corpus in one version, as a network that never heard them does.

    Attributes:
        name: of the corpus.
        embeddings: (n, D).
        labels: (n,).
        speakers: (n,).
    """

    name: str
    embeddings: Floats
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]


@dataclass(frozen=True)
class Unheard:
    """What one turn's network makes of what was left out.

    Attributes:
        turn: which.
        heard: corpus and sets by name, and by the seconds of pieces, 0: whole.
        weights: (9, D) of the head, before a temperature.
        bias: (9,).
        usual: (9,), what a baseline takes out of it.
        metadata: with reference means of the corpora that the network knows.
    """

    turn: Turn
    heard: dict[tuple[str, float], Voices]
    weights: Floats
    bias: Floats
    usual: Floats
    metadata: Metadata

    def logits(self, voices: Voices, constant: float) -> Floats:
        """(n, 9), before a temperature; the constant is neutral's."""
        logits: Floats = voices.embeddings @ self.weights.T + self.bias
        logits[:, _NEUTRAL] += constant
        return logits

    def relative(self, voices: Voices, chosen: NDArray[np.int64], speakers: bool, constant: float) -> Floats:
        """The logits (n, 9) relative to the chosen recordings, by the rule; NaN for these.

        Args:
            voices: of which some are chosen.
            chosen: rows.
            speakers: make a baseline for each speaker too.
            constant: what neutral's logit keeps of its constant.
        """
        groups = [str(voices.speakers[row]) for row in chosen] if speakers else None
        logits = self.logits(voices, 0)
        whole, *own = fit_baselines("x", voices.embeddings[chosen], self.metadata, groups=groups)
        moved = logits + self._moved(whole)
        for item in own:
            assert item.group is not None  # noqa: S101  those of groups
            rows = voices.speakers == item.group.value
            moved[rows] = logits[rows] + self._moved(item)
        moved[:, _NEUTRAL] += constant
        moved[chosen] = np.nan
        return moved

    def _moved(self, baseline: Baseline) -> Floats:
        return np.asarray(shift(baseline, self.metadata, self.weights).vector - self.usual, np.float32)


def listen(material: Material, options: Options, turn: Turn, *, seed: int, work: Path) -> Unheard:
    """Fit without what the turn leaves out, and hear it."""
    train = _trained(material, options, (turn.corpus, *turn.sets, *ALWAYS_OUT))
    key, network = kept_fit(material, train, options, seed=seed, work=work)
    return heard_by(key, network, material, turn, work=work)


def heard_by(key: str, network: Network, material: Material, turn: Turn, *, work: Path) -> Unheard:
    """What a network makes of what a turn leaves out; its reference means are of the acted corpora beside that.

    Args:
        key: of the fit.
        network: fitted without what is left out.
        material: clips and their states.
        turn: what is left out.
        work: where embeddings are kept.
    """
    out = (turn.corpus, *turn.sets, *ALWAYS_OUT)
    heard = {}
    for seconds, states in {0.0: material.versions[0], **material.pieces}.items():
        for name in out:
            clips = [clip for clip in material.clips if clip.corpus == name and clip in states]
            if not clips:
                continue
            heard[name, seconds] = Voices(
                name,
                kept_embeddings(key, network, clips, states, f"{name}-{seconds:g}", work=work),
                np.array([clip.label for clip in clips]),
                np.array([clip.speaker for clip in clips]),
            )
    known: dict[str, list[Clip]] = {}
    embeddings: dict[str, dict[str, Floats]] = {}
    for name in ACTED:
        if name != turn.corpus and name not in turn.unknown:
            own = [clip for clip in material.clips if clip.corpus == name and clip.label not in NO_EMOTION]
            known[name] = some(own, PER_CLASS)
            rows = kept_embeddings(key, network, known[name], material.versions[0], f"{name}-known", work=work)
            embeddings[name] = {clip.path: row for clip, row in zip(known[name], rows, strict=True)}
    adaptor = network.to_adaptor()
    return Unheard(
        turn,
        heard,
        adaptor.head_weight,
        adaptor.head_bias,
        network.usual.detach().numpy(),
        _metadata(known, embeddings, adaptor.head_weight.shape[1]),
    )


def _trained(material: Material, options: Options, out: Sequence[str]) -> list[Clip]:
    everyday = {name for name, corpus in BY_NAME.items() if corpus.labels == ("neutral",)}
    return [
        clip
        for clip in material.clips
        if clip.corpus not in out and (options.everyday or clip.corpus not in everyday)
    ]


def _metadata(
    clips: Mapping[str, Sequence[Clip]], embeddings: Mapping[str, Mapping[str, Floats]], width: int
) -> Metadata:
    readout = Readout(
        name=EMOTION,
        kind="linear",
        activation="softmax",
        labels=NAMES,
        emotions={name: name for name in NAMES},
        reference=reference(clips, embeddings),
    )
    return Metadata(
        name="unheard",
        revision="0",
        precision="fp32",
        licence="none",
        source="none",
        source_sha256="0" * 64,
        readouts=(readout,),
        corpora=tuple(clips),
        hop=320,
        first_centre=0.0,
        minimum_samples=1,
        embedding_size=width,
    )


def draw(voices: Voices, classes: Sequence[str], neutral: float, count: int, seed: int) -> NDArray[np.int64]:
    """So many recordings, a share of them neutral and the other classes alike, none twice."""
    rng = np.random.default_rng([seed, count])
    others = [name for name in classes if name != "neutral"]
    calm = round(count * neutral) if others else count
    wanted = ["neutral"] * calm + [others[turn % len(others)] for turn in rng.permutation(count - calm)]
    own = {name: list(rng.permutation(np.flatnonzero(voices.labels == name))) for name in (*others, "neutral")}
    return np.array([own[name].pop() for name in wanted if len(own[name]) > 2], np.int64)
