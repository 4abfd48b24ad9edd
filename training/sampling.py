"""How the network is fitted, and the batches that are drawn for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emovox.emotions import NAMES
from training.corpus import ACTED, BY_NAME, EVERYDAY, Clip
from training.network import Shape
from training.states import States
from training.voices import Voices

STREAMS = (1 / 6, 0.5, 0.8, 1.0)  # shares of neutral in what somebody makes a baseline of
ALWAYS = ("other", "unknown")  # compete with every corpus's own labels, so that ordinary speech is not either


@dataclass(frozen=True)
class Stage:
    """A stage of a fit: of the units alone, or of the blocks below them too.

    Attributes:
        steps: of the optimiser.
        batch: clips in a step.
        frames: of each clip in a step.
        rate: of learning.
        block_rate: of learning of the blocks; 0: they are frozen, and frames may be taken in any order.
    """

    steps: int
    batch: int
    frames: int
    rate: float
    block_rate: float = 0.0


@dataclass(frozen=True)
class Options:
    """How the network is fitted.

    Attributes:
        stages: one after the other.
        shape: of the units.
        decay: of the weights.
        smoothing: share of a label that is spread over the labels that compete.
        mixing: share of the clips that are mixed with another.
        clean: share of the clips heard as recorded; the rest in one of the copies.
        shift: how far states are moved towards other voices, in deviations between speakers.
        warming: steps in which the rate of a stage rises; then it stays.
        averaging: share of a stage's steps, the last ones, whose mean weights are taken.
        everyday: how much of their shares of a batch the everyday sets get.
        placed: share of the clips heard in a copy made alike everyday recordings.
        relative: share of a batch that is drawn in groups, of one corpus or speaker each, and is heard relative to
            its group as well; 0: nothing is.
        group: clips of a group.
    """

    stages: tuple[Stage, ...] = (
        Stage(steps=600, batch=64, frames=24, rate=2e-3),
        Stage(steps=500, batch=48, frames=44, rate=6e-4, block_rate=1.2e-4),
    )
    shape: Shape = field(default_factory=Shape)
    decay: float = 0.05
    smoothing: float = 0.05
    mixing: float = 0.2
    clean: float = 0.3
    shift: float = 0.7
    warming: int = 50
    averaging: float = 0.7
    everyday: float = 0.0
    placed: float = 0.0
    relative: float = 0.0
    group: int = 16


@dataclass(frozen=True)
class Batch:
    """Some clips.

    Attributes:
        states: (B, F, 2 E), 0 where there is no frame.
        present: which frames there are, (B, F).
        wanted: share of each label, (B, 9).
        allowed: which labels compete, (B, 9).
        shares: how much of its own each clip keeps; the rest comes from the clip before it, (B, 1).
        weights: of the clips in the loss, (B,).
        groups: which group a clip belongs to, -1: none, (B,).
        corpora: which of `ACTED` a clip is of, -1: none, (B,).
    """

    states: Tensor
    present: Tensor
    wanted: Tensor
    allowed: Tensor
    shares: Tensor
    weights: Tensor
    groups: Tensor
    corpora: Tensor


@dataclass(frozen=True)
class _Pick:
    """A clip of a batch: the states it is heard in, and if it is one of a group, which, and what it weighs."""

    clip: Clip
    values: NDArray[np.float16]
    group: int = -1
    weight: float = 1.0


class Sampler:
    """Draws batches: corpora by their shares, labels of a corpus alike, clips of a label alike."""

    def __init__(
        self,
        clips: Sequence[Clip],
        versions: Sequence[States],
        options: Options,
        seed: int,
        placed: Sequence[States] = (),
    ) -> None:
        self._versions, self._placed, self._options = versions, placed, options
        self._voices = Voices(clips, versions[0])
        self._rng = np.random.default_rng(seed)
        everyday = {corpus.name for corpus in EVERYDAY}
        chosen = [clip for clip in clips if options.everyday or clip.corpus not in everyday]
        self._groups: defaultdict[str, defaultdict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        for clip in chosen:
            self._groups[clip.corpus][clip.label].append(clip)
        self._corpora = list(self._groups)
        shares = np.array(
            [BY_NAME[name].share * (options.everyday if name in everyday else 1) for name in self._corpora]
        )
        self._shares = shares / shares.sum()
        self._sources = _sources(chosen)
        taught = {clip.label for clip in chosen}
        self._allowed = {name: _allowed(name, set(labels), taught) for name, labels in self._groups.items()}

    def draw(self, stage: Stage) -> Batch:
        """A batch as a stage wants it."""
        options, rng = self._options, self._rng
        states = np.zeros((stage.batch, stage.frames, self._versions[0].width), np.float32)
        shifts = options.shift * self._voices.draw(stage.batch, rng)
        present = np.zeros(states.shape[:2], bool)
        own = np.zeros((stage.batch, len(NAMES)), np.float32)
        allowed = np.zeros(own.shape, bool)
        picks = self._picks(stage.batch)
        groups = np.array([pick.group for pick in picks])
        for group in range(groups.max() + 1):
            shifts[groups == group] = shifts[groups == group][0]
        for row, pick in enumerate(picks):
            frames = self._frames(pick.values, stage)
            states[row, : len(frames)], present[row, : len(frames)] = frames + shifts[row], True
            own[row, NAMES.index(pick.clip.label)] = 1
            allowed[row] = self._allowed[pick.clip.corpus]
        mixed = (rng.random((stage.batch, 1)) < options.mixing) & (groups < 0)[:, None]
        shares = np.where(mixed, rng.uniform(0.5, 1, (stage.batch, 1)), 1).astype(np.float32)
        allowed |= np.roll(allowed, 1, axis=0) & mixed
        spread = allowed / allowed.sum(axis=1, keepdims=True)
        wanted = shares * own + (1 - shares) * np.roll(own, 1, axis=0)
        wanted = ((1 - options.smoothing) * wanted + options.smoothing * spread).astype(np.float32)
        weights = np.array([pick.weight for pick in picks], np.float32)
        corpora = np.array([ACTED.index(p.clip.corpus) if p.clip.corpus in ACTED else -1 for p in picks])
        parts = (states, present, wanted, allowed, shares, weights, groups, corpora)
        return Batch(*(torch.from_numpy(part) for part in parts))

    def _picks(self, count: int) -> list[_Pick]:
        """Groups first, then clips that stand alone."""
        size = self._options.group
        picks = []
        for group in range(round(count * self._options.relative / size)):
            picks += self._group(group, size)
        return picks + [
            _Pick(clip, self._values(clip)) for clip in (self._clip() for _ in range(count - len(picks)))
        ]

    def _group(self, number: int, size: int) -> list[_Pick]:
        """Clips of one corpus or one of its speakers, some share of them neutral, the other labels alike."""
        rng = self._rng
        corpora = list(self._sources)
        shares = np.array([self._shares[self._corpora.index(name)] for name in corpora])
        corpus = corpora[rng.choice(len(corpora), p=shares / shares.sum())]
        by_label = self._sources[corpus][rng.integers(len(self._sources[corpus])) if rng.random() < 0.5 else 0]
        others = [label for label in by_label if label != "neutral"]
        calm = rng.random(size) < (STREAMS[rng.integers(len(STREAMS))] if others else 1)
        labels = ["neutral" if is_calm else others[rng.integers(len(others))] for is_calm in calm]
        counts = {label: labels.count(label) for label in labels}
        kind = rng.random()
        copy = int(rng.integers(100))
        picks = []
        for label in labels:
            clip = by_label[label][rng.integers(len(by_label[label]))]
            # Each label weighs the same, but neutral alone, of which there is most, no more than one of two.
            weight = size / counts[label] / max(2, len(counts))
            picks.append(_Pick(clip, self._version(clip, kind, copy).of(clip), number, min(3.0, weight)))
        return picks

    def _clip(self) -> Clip:
        groups = self._groups[self._corpora[self._rng.choice(len(self._corpora), p=self._shares)]]
        labels = list(groups)
        group = groups[labels[self._rng.integers(len(labels))]]
        return group[self._rng.integers(len(group))]

    def _values(self, clip: Clip) -> NDArray[np.float16]:
        return self._version(clip, self._rng.random(), int(self._rng.integers(100))).of(clip)

    def _version(self, clip: Clip, kind: float, number: int) -> States:
        """As recorded, a copy placed as everyday recordings are, or another one, by a number from 0 to 1."""
        placed = [version for version in self._placed if clip in version] if self._options.placed else []
        if placed and kind > 1 - self._options.placed:
            return placed[number % len(placed)]
        copies = [version for version in self._versions[1:] if clip in version]
        if copies and kind >= self._options.clean:
            return copies[number % len(copies)]
        return self._versions[0]

    def _frames(self, values: NDArray[np.float16], stage: Stage) -> NDArray[np.float16]:
        """Frames of a part of the clip: some of three fifths of it or more, or where order matters a piece."""
        rng = self._rng
        if stage.block_rate:
            first = int(rng.integers(max(1, len(values) - stage.frames + 1)))
            return values[first : first + stage.frames]
        size = max(1, round(len(values) * rng.uniform(0.6, 1)))
        first = int(rng.integers(len(values) - size + 1))
        return values[first + rng.choice(size, stage.frames, replace=size < stage.frames)]


def _sources(clips: Sequence[Clip]) -> dict[str, list[dict[str, list[Clip]]]]:
    """What a group may be drawn from, by corpus: all its clips by label, then those of each actor.

    Of sounds and bursts nobody makes a baseline.
    """
    found: dict[str, list[dict[str, list[Clip]]]] = {}
    for corpus in {clip.corpus: None for clip in clips if clip.corpus not in ("esc10", "emogator")}:
        own = [clip for clip in clips if clip.corpus == corpus]
        speakers = sorted({clip.speaker for clip in own}) if corpus in ACTED else []
        sets = [own, *([clip for clip in own if clip.speaker == speaker] for speaker in speakers)]
        by_label = [
            {label: [c for c in some if c.label == label] for label in sorted({c.label for c in some})}
            for some in sets
        ]
        found[corpus] = [labels for labels in by_label if "neutral" in labels]
    return {corpus: sets for corpus, sets in found.items() if sets}


def _allowed(corpus: str, labels: set[str], taught: set[str]) -> NDArray[np.bool_]:
    """Labels that compete for the clips of a corpus: its own. What it has no example of, it can't deny.

    Noise is not an emotion, so there every label competes.
    """
    competing = set(NAMES) if corpus == "esc10" else labels | set(ALWAYS)
    return np.array([name in competing & taught for name in NAMES])
