"""Confusion matrices and reliability plots, by matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emovox.emotions import NAMES

mpl.rcParams["svg.hashsalt"] = "emovox"  # the same numbers give the same file

Table = Mapping[str, Any]
"""`Measures.to_dict`."""


def draw_confusions(path: Path, tables: Mapping[str, Table]) -> None:
    """Confusion matrices side by side: shares of a true class (row) heard as each class (column)."""
    figure = Figure(figsize=(4.6 * len(tables), 4.4), layout="constrained")
    for axes, (title, table) in zip(np.atleast_1d(figure.subplots(1, len(tables))), tables.items(), strict=True):
        _confusion(axes, np.array(table["confusion"]), table["classes"])
        axes.set_title(f"{title}: {100 * table['unweighted']:.1f} % unweighted recall", fontsize=10)
    figure.savefig(path, dpi=110, metadata=_undated(path))


def draw_reliability(path: Path, tables: Mapping[str, Table]) -> None:
    """Reliability plots side by side: accuracy over confidence, a dot's area the share of the clips."""
    figure = Figure(figsize=(3.9 * len(tables), 3.9), layout="constrained")
    for axes, (title, table) in zip(np.atleast_1d(figure.subplots(1, len(tables))), tables.items(), strict=True):
        clips, confidence, accuracy = np.array(table["reliability"]).T
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.plot(confidence, accuracy, color="tab:blue", linewidth=1)
        axes.scatter(confidence, accuracy, s=600 * clips / clips.sum(), color="tab:blue", alpha=0.6)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", aspect="equal")
        axes.set_title(f"{title}: error {table['calibration_error']:.3f}", fontsize=10)
    figure.savefig(path, dpi=110, metadata=_undated(path))


def _confusion(axes: Axes, confusion: NDArray[np.int64], classes: Sequence[str]) -> None:
    rows = [NAMES.index(name) for name in classes]
    columns = [index for index in range(len(NAMES)) if index in rows or confusion[:, index].any()]
    shares = confusion[np.ix_(rows, columns)] / confusion[rows].sum(axis=1, keepdims=True)
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(columns)), [NAMES[index] for index in columns], rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), classes)
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.55 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set(xlabel="heard", ylabel="true")


def _undated(path: Path) -> dict[str, None]:
    return {"Date": None} if path.suffix == ".svg" else {"Software": None}
