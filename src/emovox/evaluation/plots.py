"""Plots by matplotlib: confusion matrices, reliability, learning curves, values over ratings."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emovox.emotions import BY_NAME, EMOTIONS, NAMES
from emovox.evaluation.metrics import Floats
from emovox.exports.fonts import drawable, families, missing

Table = Mapping[str, Any]
"""`Measures.to_dict`."""
Target = Path | BytesIO

_WORDS = {
    "en": {
        "predicted": "predicted (% of the true class)",
        "true": "true",
        "recall": "unweighted recall",
        "value": "predicted",
        "rating": "rated",
    },
    "zh": {
        "predicted": "识别为（占该类录音的百分比）",
        "true": "标注",
        "recall": "未加权召回率",
        "value": "预测值",
        "rating": "标注值",
    },
}


def draw_confusions(
    target: Target, tables: Mapping[str, Table], *, names: Sequence[str] = NAMES, language: str = "en"
) -> None:
    """Confusion matrices side by side: shares of a true class (row) recognised as each class (column).

    Args:
        target: a .png or .svg file, or a buffer for a PNG.
        tables: by title.
        names: of the rows and columns.
        language: `en` or `zh`, of the words and the emotions; English if no font has the Chinese.
    """
    language = _drawable(language)
    words = _WORDS[language]
    shown = [BY_NAME[name].label(language) if name in BY_NAME else name for name in names]
    with _style([*names, *shown, *words.values(), *tables]) as fonts:
        size = max(4.4, 1.6 + 0.36 * max(len(table["classes"]) for table in tables.values()))
        figure = Figure(figsize=((size + 0.2) * len(tables), size), layout="constrained")
        every = np.atleast_1d(figure.subplots(1, len(tables)))
        for axes, (title, table) in zip(every, tables.items(), strict=True):
            _confusion(axes, np.array(table["confusion"]), table, names, fonts, shown)
            recall = f"{100 * table['unweighted']:.1f} % {words['recall']}"
            axes.set_title(f"{drawable(title, fonts)}: {recall}", fontsize=10)
            axes.set(xlabel=words["predicted"], ylabel=words["true"])
        _save(figure, target)


def draw_reliability(target: Target, tables: Mapping[str, Table]) -> None:
    """Reliability plots side by side: accuracy over confidence, a dot's area the share of the clips."""
    with _style(list(tables)) as fonts:
        figure = Figure(figsize=(3.9 * len(tables), 3.9), layout="constrained")
        every = np.atleast_1d(figure.subplots(1, len(tables)))
        for axes, (title, table) in zip(every, tables.items(), strict=True):
            axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
            if table["reliability"]:
                clips, confidence, accuracy = np.array(table["reliability"]).T
                axes.plot(confidence, accuracy, color="tab:blue", linewidth=1)
                sizes = 600 * clips / clips.sum()
                axes.scatter(confidence, accuracy, s=sizes, color="tab:blue", alpha=0.6, clip_on=False)
            axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", aspect="equal")
            error = f"error {table['calibration_error']:.3f}"
            axes.set_title(f"{drawable(title, fonts)}: {error}", fontsize=10)
        _save(figure, target)


def draw_coverage(target: Target, tables: Mapping[str, Table]) -> None:
    """Accuracy over coverage in one plot: how many are right if only the surest clips are judged."""
    with _style(list(tables)) as fonts:
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for title, table in tables.items():
            share, _, accuracy = np.array(table["coverage"]).reshape(-1, 3).T
            axes.plot(
                100 * share, 100 * accuracy, marker="o", markersize=4, clip_on=False, label=drawable(title, fonts)
            )
        axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="surest clips, % of all", ylabel="of them right, %")
        if len(tables) > 1:
            axes.legend(loc="lower left", frameon=False, fontsize=9)
        _save(figure, target)


def draw_curve(target: Target, curve: Sequence[tuple[int, float, float, float]], *, chance: float) -> None:
    """A learning curve: unweighted recall over examples of a class, with the lowest and highest of the draws."""
    with _style(()):
        figure = Figure(figsize=(5.6, 3.6), layout="constrained")
        axes = figure.subplots()
        sizes, low, mean, high = np.array(curve).T
        axes.axhline(100 * chance, color="0.7", linewidth=1, linestyle="--")
        axes.text(sizes[-1], 100 * chance + 1, "chance", color="0.5", fontsize=8, ha="right")
        axes.fill_between(sizes, 100 * low, 100 * high, color="tab:blue", alpha=0.2, linewidth=0)
        axes.plot(sizes, 100 * mean, color="tab:blue", marker="o", markersize=4, clip_on=False)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:.0f}" for size in sizes], minor=False)
        axes.minorticks_off()
        axes.set(ylim=(0, 100), xlabel="examples of a class", ylabel="unweighted recall, %")
        _save(figure, target)


def draw_values(
    target: Target,
    values: Floats,
    labels: Floats,
    titles: Sequence[str],
    *,
    limits: tuple[float, float] | None = None,
    language: str = "en",
) -> None:
    """Values over ratings side by side, a dot for each recording, and the line on which both are equal.

    Args:
        target: a .png or .svg file, or a buffer for a PNG.
        values: (n, K).
        labels: the ratings, (n, K); NaN where there is none.
        titles: of the K pictures.
        limits: of both axes, which are wider if a dot lies outside.
        language: `en` or `zh`, of the words; English if no font has the Chinese.
    """
    words = _WORDS[_drawable(language)]
    with _style([*titles, *words.values()]) as fonts:
        figure = Figure(figsize=(3.9 * len(titles), 4.1), layout="constrained")
        for number, (axes, title) in enumerate(
            zip(np.atleast_1d(figure.subplots(1, len(titles))), titles, strict=True)
        ):
            rated = ~np.isnan(labels[:, number])
            x, y = labels[rated, number], values[rated, number]
            ends = [*(limits or ()), *x, *y] or [0.0, 1.0]
            margin = 0.02 * (max(ends) - min(ends)) or 0.5
            low, high = min(ends) - margin, max(ends) + margin
            axes.plot([low, high], [low, high], color="0.7", linewidth=1)
            alpha = float(np.clip(30 / max(1, len(x)) ** 0.5, 0.1, 0.7))
            axes.scatter(x, y, s=14, color="tab:blue", alpha=alpha, linewidths=0)
            axes.set(
                xlim=(low, high), ylim=(low, high), aspect="equal", xlabel=words["rating"], ylabel=words["value"]
            )
            axes.set_title(drawable(title, fonts), fontsize=10)
        _save(figure, target)


def _drawable(language: str) -> str:
    """The language, or English if no font has the Chinese."""
    chinese = "".join([*_WORDS["zh"].values(), *(emotion.chinese for emotion in EMOTIONS)])
    return "en" if language == "zh" and missing(chinese, families(chinese)) else language


@contextmanager
def _style(texts: Sequence[str]) -> Iterator[list[str]]:
    """Fonts that have the texts' characters, if there are any; $ is only a $; equal plots give equal files."""
    fonts = families("".join(texts))
    with mpl.rc_context({"svg.hashsalt": "emovox", "font.family": fonts, "text.parse_math": False}):
        yield fonts


def _confusion(
    axes: Axes,
    confusion: NDArray[np.int64],
    table: Table,
    names: Sequence[str],
    fonts: Sequence[str],
    labels: Sequence[str],
) -> None:
    # If no font has a name's characters, its row's number in the report's tables identifies it.
    shown = [
        label if (text := drawable(label, fonts)) == label else f"{number} {text}"
        for number, label in enumerate(labels, 1)
    ]
    rows = [names.index(name) for name in table["classes"]]
    columns = [index for index in range(len(names)) if index in rows or confusion[:, index].any()]
    # Clips that could not be recognised are in no column, but count, as they do in the recalls.
    clips = confusion.sum(axis=1) + np.array(table.get("not_recognised", 0))
    shares = confusion[np.ix_(rows, columns)] / np.maximum(clips[rows, np.newaxis], 1)
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(columns)), [shown[index] for index in columns], rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), [shown[index] for index in rows])
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.55 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=9, color=colour)


def _save(figure: Figure, target: Target) -> None:
    kind = "png" if isinstance(target, BytesIO) else target.suffix[1:]
    figure.savefig(target, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else {"Software": None})
