"""The picture of the page: ten clips before and after."""

from pathlib import Path

import numpy as np

from benchmarks.baselines.part import Part
from benchmarks.baselines.stream import STREAMS
from emovox.emotions import BY_NAME, NAMES

HALF = STREAMS[1]


def draw(part: Part, file: Path) -> None:
    """Ten clips of one corpus, what is heard without and with a baseline of twelve others."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  only the picture needs it

    chosen = HALF.draw(part.labels, part.classes, 12, 0)
    before, after = part.logits, part.relative(chosen)
    rng = np.random.default_rng(1)
    rest = np.setdiff1d(np.arange(len(part.labels)), chosen)
    rows: list[int] = []
    for name in part.classes:
        own = rng.permutation(rest[part.labels[rest] == name])
        rows += own[: 4 if name == "neutral" else 2 if name in ("angry",) else 1].tolist()
    rows = rows[:10]
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    for axis, logits, title in zip(
        axes, (before, after), ("without", "relative to twelve recordings"), strict=True
    ):
        raised = np.exp(logits[rows] - logits[rows].max(axis=1, keepdims=True))
        scores = raised / raised.sum(axis=1, keepdims=True)
        left = np.zeros(len(rows))
        for column, name in enumerate(NAMES):
            axis.barh(range(len(rows)), scores[:, column], left=left, color=BY_NAME[name].colour, label=name)
            left += scores[:, column]
        axis.set_title(title)
        axis.set_xlim(0, 1)
        axis.invert_yaxis() if axis is axes[0] else None
    axes[0].set_yticks(range(len(rows)), part.labels[rows])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=9, fontsize="small")
    figure.savefig(file, dpi=110)
