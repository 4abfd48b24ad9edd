"""Fitting the network to kept states, and hearing clips with it."""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from emovox.emotions import NAMES
from training.corpus import BY_NAME, Clip
from training.network import Network, Shape
from training.states import States

ALWAYS = ("other", "unknown")  # compete with every corpus's own labels, so that ordinary speech is not either

_LOG = logging.getLogger("training")


@dataclass(frozen=True)
class Options:
    """How the network is fitted.

    Attributes:
        units: D.
        members: that learn apart.
        steps: of the optimiser.
        batch: clips in a step.
        frames: of each clip in a step.
        rate: of learning, at its highest.
        decay: of the weights.
        smoothing: share of a label that is spread over the labels that compete.
        mixing: share of the clips whose frames are mixed with another's.
        input_dropout: share of the states hidden.
        dropout: share of the units hidden.
        clean: share of the clips heard as recorded; the rest in one of the degraded copies.
        averaging: how much of the averaged weights stays at a step.
    """

    units: int = 256
    members: int = 4
    steps: int = 1200
    batch: int = 64
    frames: int = 32
    rate: float = 1e-3
    decay: float = 0.05
    smoothing: float = 0.1
    mixing: float = 0.4
    input_dropout: float = 0.2
    dropout: float = 0.3
    clean: float = 0.35
    averaging: float = 0.995


class Sampler:
    """Draws batches: corpora by their shares, labels of a corpus alike, clips of a label alike."""

    def __init__(self, clips: Sequence[Clip], versions: Sequence[States], options: Options, seed: int) -> None:
        self._versions, self._options = versions, options
        self._rng = np.random.default_rng(seed)
        self._groups: defaultdict[str, defaultdict[str, list[Clip]]] = defaultdict(lambda: defaultdict(list))
        for clip in clips:
            self._groups[clip.corpus][clip.label].append(clip)
        self._corpora = list(self._groups)
        shares = np.array([BY_NAME[name].share for name in self._corpora])
        self._shares = shares / shares.sum()
        taught = {clip.label for clip in clips}
        self._allowed = {name: _allowed(name, set(labels), taught) for name, labels in self._groups.items()}

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, F, S), wanted shares of the labels (B, 9), and which labels compete (B, 9)."""
        options, rng = self._options, self._rng
        states = np.empty((options.batch, options.frames, self._versions[0].values.shape[1]), np.float16)
        wanted = np.zeros((options.batch, len(NAMES)), np.float32)
        allowed = np.zeros((options.batch, len(NAMES)), bool)
        for row in range(options.batch):
            clip = self._clip()
            states[row] = self._frames(clip, options.frames)
            wanted[row, NAMES.index(clip.label)] = 1
            allowed[row] = self._allowed[clip.corpus]
        for row in range(1, options.batch):
            if rng.random() < options.mixing:
                count = int(rng.integers(1, options.frames // 2 + 1))
                states[row, :count] = states[row - 1, -count:]
                share = count / options.frames
                wanted[row] = (1 - share) * wanted[row] + share * wanted[row - 1]
                allowed[row] |= allowed[row - 1]
        spread = allowed / allowed.sum(axis=1, keepdims=True)
        wanted = ((1 - options.smoothing) * wanted + options.smoothing * spread).astype(np.float32)
        return torch.from_numpy(states), torch.from_numpy(wanted), torch.from_numpy(allowed)

    def _clip(self) -> Clip:
        groups = self._groups[self._corpora[self._rng.choice(len(self._corpora), p=self._shares)]]
        labels = list(groups)
        group = groups[labels[self._rng.integers(len(labels))]]
        return group[self._rng.integers(len(group))]

    def _frames(self, clip: Clip, count: int) -> NDArray[np.float16]:
        """Some frames, in any order, of a part of the clip that is at least three fifths of it."""
        copies = [version for version in self._versions[1:] if clip.path in version.spans]
        if not copies or self._rng.random() < self._options.clean:
            values = self._versions[0].of(clip)
        else:
            values = copies[self._rng.integers(len(copies))].of(clip)
        size = max(1, round(len(values) * self._rng.uniform(0.6, 1)))
        first = int(self._rng.integers(len(values) - size + 1))
        chosen = first + self._rng.choice(size, count, replace=size < count)
        return values[chosen]


def _allowed(corpus: str, labels: set[str], taught: set[str]) -> NDArray[np.bool_]:
    """Labels that compete for the clips of a corpus: its own. What it has no example of, it can't deny.

    Noise is no emotion at all, so there every label competes.
    """
    competing = set(NAMES) if corpus == "esc10" else labels | set(ALWAYS)
    return np.array([name in competing & taught for name in NAMES])


def fit(clips: Sequence[Clip], versions: Sequence[States], options: Options, *, seed: int) -> Network:
    """Fit a network to clips, each heard in the versions that have it; the first one is as recorded."""
    started = time.monotonic()
    torch.manual_seed(seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sampler = Sampler(clips, versions, options, seed)
    sample = torch.cat([sampler.draw()[0].flatten(0, 1) for _ in range(8)]).float()
    shape = Shape(sample.shape[1], options.units, options.members)
    network = Network(
        shape,
        sample.mean(dim=0),
        sample.std(dim=0) + 1e-4,
        input_dropout=options.input_dropout,
        dropout=options.dropout,
    ).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.rate, total_steps=options.steps, pct_start=0.1
    )
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.averaging)
    )
    losses = []
    for step in track(range(options.steps), description="Fitting"):
        states, wanted, allowed = (part.to(device) for part in sampler.draw())
        with torch.autocast(device.type, torch.bfloat16):
            logits = network(states.float())
        logits = logits.float().masked_fill(~allowed[:, None], -1e4)
        loss = -(wanted[:, None] * torch.log_softmax(logits, -1)).sum(-1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 200 == 0:
            _LOG.info("step %d: loss %.3f, %.0f s", step + 1, np.mean(losses[-200:]), time.monotonic() - started)
    fitted = cast("Network", averaged.module)
    fitted.eval()
    return fitted


def hear(network: Network, clips: Sequence[Clip], states: States) -> NDArray[np.float32]:
    """Logits (clips, 9) of the mean over all kept frames of each clip."""
    device = network.bias.device
    rows = []
    with torch.inference_mode():
        for clip in clips:
            frames = torch.from_numpy(np.array(states.of(clip))[None]).to(device).float()
            rows.append(network(frames).mean(dim=1)[0])
    heard: NDArray[np.float32] = torch.stack(rows).cpu().numpy()
    return heard
