"""What makes a fit relative: groups are moved by the rule of baselines, towards where other corpora lie by now."""

import torch
from torch import Tensor

from emovox.emotions import NAMES
from training.corpus import ACTED
from training.sampling import ALWAYS, Batch


class ClassMeans:
    """Where the classes of acted speech lie while a network is fitted, as its file will tell in the end."""

    def __init__(self, width: int) -> None:
        """Know nothing yet of embeddings of this width."""
        self._sums = torch.zeros(len(ACTED), len(NAMES), width)
        self._counts = torch.zeros(len(ACTED), len(NAMES))

    def add(self, units: Tensor, batch: Batch) -> None:
        """Count embeddings (B, D) in, and what was before a little less."""
        keep = 0.97
        rows = torch.nonzero((batch.corpora >= 0) & (batch.shares[:, 0] == 1))[:, 0]
        self._sums *= keep
        self._counts *= keep
        index = (batch.corpora[rows], batch.wanted[rows].argmax(dim=1))
        self._sums.index_put_(index, units[rows].float().cpu(), accumulate=True)
        self._counts.index_put_(index, torch.ones(len(rows)), accumulate=True)

    def mixture(self, corpus: int) -> Tensor:
        """The mean (D,) of a usual mixture by what other corpora show, and by this one where they show nothing."""
        own = torch.arange(len(ACTED)) == corpus
        counts = self._counts > 1e-3
        others = counts & ~own[:, None]
        used = torch.where(others.any(dim=0), others, counts).float()
        means = self._sums / self._counts.clamp(min=1e-3)[..., None]
        classes = (means * used[..., None]).sum(dim=0) / used.sum(dim=0).clamp(min=1)[:, None]
        known = used.any(dim=0) & torch.tensor([name not in ALWAYS for name in NAMES])
        neutral = NAMES.index("neutral")
        rest = [row for row in range(len(NAMES)) if known[row] and row != neutral]
        return 0.5 * classes[neutral] + 0.5 * classes[rest].mean(dim=0) if rest else classes[neutral]

    def moved(self, units: Tensor, batch: Batch) -> Tensor:
        """Embeddings (B, D), those of each group moved by the rule of baselines; each clip is none of its own."""
        moved = units
        for group in range(int(batch.groups.max()) + 1):
            rows = torch.nonzero(batch.groups == group)[:, 0].to(units.device)
            own = units[rows]
            mean = (own.sum(dim=0) - own) / (len(rows) - 1)
            goal = self.mixture(int(batch.corpora[rows[0]])).to(units)
            moved = moved.index_copy(0, rows, own - mean + goal)
        return moved
