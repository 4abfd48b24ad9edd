"""Fitting the network to kept states, and hearing clips with it."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from emovox.emotions import NAMES
from training.corpus import BY_NAME, Clip
from training.graph import Encoder
from training.network import Network, Shape
from training.states import States
from training.voices import Voices

ALWAYS = ("other", "unknown")  # compete with every corpus's own labels, so that ordinary speech is not either

_LOG = logging.getLogger("training")


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


@dataclass(frozen=True)
class Batch:
    """Some clips.

    Attributes:
        states: (B, F, 2 E), 0 where there is no frame.
        present: which frames there are, (B, F).
        wanted: share of each label, (B, 9).
        allowed: which labels compete, (B, 9).
        shares: how much of its own each clip keeps; the rest comes from the clip before it, (B, 1).
    """

    states: Tensor
    present: Tensor
    wanted: Tensor
    allowed: Tensor
    shares: Tensor


class Sampler:
    """Draws batches: corpora by their shares, labels of a corpus alike, clips of a label alike."""

    def __init__(self, clips: Sequence[Clip], versions: Sequence[States], options: Options, seed: int) -> None:
        self._versions, self._options = versions, options
        self._voices = Voices(clips, versions[0])
        self._rng = np.random.default_rng(seed)
        self._groups: defaultdict[str, defaultdict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        for clip in clips:
            self._groups[clip.corpus][clip.label].append(clip)
        self._corpora = list(self._groups)
        shares = np.array([BY_NAME[name].share for name in self._corpora])
        self._shares = shares / shares.sum()
        taught = {clip.label for clip in clips}
        self._allowed = {name: _allowed(name, set(labels), taught) for name, labels in self._groups.items()}

    def draw(self, stage: Stage) -> Batch:
        """A batch as a stage wants it."""
        options, rng = self._options, self._rng
        states = np.zeros((stage.batch, stage.frames, self._versions[0].values.shape[1]), np.float32)
        shifts = options.shift * self._voices.draw(stage.batch, rng)
        present = np.zeros(states.shape[:2], bool)
        own = np.zeros((stage.batch, len(NAMES)), np.float32)
        allowed = np.zeros(own.shape, bool)
        for row in range(stage.batch):
            clip = self._clip()
            frames = self._frames(clip, stage)
            states[row, : len(frames)], present[row, : len(frames)] = frames + shifts[row], True
            own[row, NAMES.index(clip.label)] = 1
            allowed[row] = self._allowed[clip.corpus]
        mixed = rng.random((stage.batch, 1)) < options.mixing
        shares = np.where(mixed, rng.uniform(0.5, 1, (stage.batch, 1)), 1).astype(np.float32)
        allowed |= np.roll(allowed, 1, axis=0) & mixed
        spread = allowed / allowed.sum(axis=1, keepdims=True)
        wanted = shares * own + (1 - shares) * np.roll(own, 1, axis=0)
        wanted = ((1 - options.smoothing) * wanted + options.smoothing * spread).astype(np.float32)
        return Batch(*(torch.from_numpy(part) for part in (states, present, wanted, allowed, shares)))

    def _clip(self) -> Clip:
        groups = self._groups[self._corpora[self._rng.choice(len(self._corpora), p=self._shares)]]
        labels = list(groups)
        group = groups[labels[self._rng.integers(len(labels))]]
        return group[self._rng.integers(len(group))]

    def _frames(self, clip: Clip, stage: Stage) -> NDArray[np.float16]:
        """Frames of a part of the clip: some of three fifths of it or more, or where order matters a piece."""
        rng = self._rng
        copies = [version for version in self._versions[1:] if clip.path in version.spans]
        clean = not copies or rng.random() < self._options.clean
        values = self._versions[0].of(clip) if clean else copies[rng.integers(len(copies))].of(clip)
        if stage.block_rate:
            first = int(rng.integers(max(1, len(values) - stage.frames + 1)))
            return values[first : first + stage.frames]
        size = max(1, round(len(values) * rng.uniform(0.6, 1)))
        first = int(rng.integers(len(values) - size + 1))
        return values[first + rng.choice(size, stage.frames, replace=size < stage.frames)]


def _allowed(corpus: str, labels: set[str], taught: set[str]) -> NDArray[np.bool_]:
    """Labels that compete for the clips of a corpus: its own. What it has no example of, it can't deny.

    Noise is not an emotion, so there every label competes.
    """
    competing = set(NAMES) if corpus == "esc10" else labels | set(ALWAYS)
    return np.array([name in competing & taught for name in NAMES])


def fit(
    clips: Sequence[Clip], versions: Sequence[States], encoder: Encoder, options: Options, *, seed: int
) -> Network:
    """Fit a network to clips, each heard in the versions that have it; the first one is as recorded."""
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sampler = Sampler(clips, versions, options, seed)
    sample = torch.cat([sampler.draw(options.stages[0]).states.flatten(0, 1) for _ in range(8)])
    sample = sample.chunk(2, dim=-1)[1]
    network = Network(
        encoder.variables,
        range(encoder.taps[0] + 1, encoder.taps[-1] + 1),
        options.shape,
        sample.mean(dim=0),
        sample.std(dim=0) + 1e-4,
    )
    network.to(device)
    for stage in options.stages:
        network = _run(network, sampler, stage, options)
    return network


def _run(network: Network, sampler: Sampler, stage: Stage, options: Options) -> Network:
    """One stage; gives the network with averaged weights.

    A rate that stays keeps the weights moving about in what fits, and their mean lies in its middle, which holds
    for other speakers too (Cha et al., SWAD: domain generalization by seeking flat minima, 2021).
    """
    started = time.monotonic()
    device = network.bias.device
    network.train()
    network.frozen = not stage.block_rate
    block = {id(parameter) for parameter in network.blocks.parameters()}
    upper = [parameter for parameter in network.parameters() if id(parameter) not in block]
    groups = [{"params": upper, "lr": stage.rate}]
    if stage.block_rate:
        groups.append({"params": list(network.blocks.parameters()), "lr": stage.block_rate})
    optimiser = torch.optim.AdamW(groups, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / options.warming))
    averaged = AveragedModel(network)
    losses = []
    for step in track(range(stage.steps), description="Fitting"):
        batch = sampler.draw(stage)
        # Without matrix units a CPU emulates bfloat16: a step took twice as long as in float32.
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            units = network(batch.states.to(device), batch.present.to(device))
        shares = batch.shares.to(device)
        units = shares * units + (1 - shares) * units.roll(1, 0)
        logits = network.classify(units).masked_fill(~batch.allowed.to(device)[:, None], -1e4)
        loss = -(batch.wanted.to(device)[:, None] * torch.log_softmax(logits, -1)).sum(-1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= (1 - options.averaging) * stage.steps:
            averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 200 == 0 or step + 1 == stage.steps:
            seconds = time.monotonic() - started
            _LOG.info("step %d: loss %.3f, %.0f s", step + 1, np.mean(losses[-200:]), seconds)
    fitted = cast("Network", averaged.module)
    fitted.eval()
    return fitted


def hear(network: Network, clips: Sequence[Clip], states: States) -> NDArray[np.float32]:
    """Logits (clips, 9) of the mean over all frames of each clip."""
    device = network.bias.device
    rows = []
    with torch.inference_mode():
        for clip in clips:
            frames = torch.from_numpy(np.array(states.of(clip))[None]).to(device).float()
            present = torch.ones(frames.shape[:2], dtype=torch.bool, device=device)
            rows.append(network.classify(network(frames, present)).mean(dim=1)[0])
    heard: NDArray[np.float32] = torch.stack(rows).cpu().numpy()
    return heard
