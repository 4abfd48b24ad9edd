"""The row of a readout in the picture: its curves, and above them their names."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emovox.exports import palette
from emovox.exports.decimation import curves
from emovox.exports.verdict import range_text
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = 0.34  # inches above the curves
SHOWN = 0.05  # the curve of a class that stays below this is drawn, but not named
_SIZE = 9.5  # points of the names


def draw(
    axes: "Axes",
    name: str,
    curve: FrameReadout,
    frames: Frames,
    *,
    columns: int,
    spoken: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    drawable: Callable[[str], str],
    grid: str,
    segments: Sequence[Segment] = (),
) -> None:
    """Draw the curves of classes or values; both pale where nobody speaks, and broken where no frame counts.

    Behind the curve of a value stands what each segment came to: a line at its value, in a band that has the
    middle four fifths of its frames.

    Args:
        axes: the row.
        name: of the readout.
        curve: its curves.
        frames: whose they are.
        columns: points of a curve.
        spoken: whether somebody speaks at each time.
        drawable: a text without the characters that the fonts lack.
        grid: the colour of the grid.
        segments: whose values are drawn.
    """
    times, numbers = curves(frames, curve.numbers, columns)
    low, high, ticks = _scale(curve)
    axes.set_ylim(low, high)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.grid(visible=True, axis="y", color=grid, linewidth=0.8)
    speech = spoken(times)
    thick = 1.9 if len(times) and times[-1] < 600 else 1.3
    named = []
    for column, label in enumerate(curve.labels):
        own = curve.numbers[:, column]
        shown = curve.values is not None or float(np.nanmax(own, initial=0)) > SHOWN
        named += [column] if shown else []
        line = {
            "color": palette.colour(column),
            "linestyle": palette.dashes(column),
            "linewidth": thick if shown else 0.8,
            "zorder": 3 if shown else 2,
        }
        if curve.values is not None:
            _bands(axes, name, label, frames.times, own, segments, palette.colour(column))
        axes.plot(times, numbers[:, column], alpha=0.22, label=f"_{label}", **line)
        own = np.where(speech, numbers[:, column], np.nan)
        axes.plot(times, own, alpha=1 if shown else 0.45, label=label, **line)
    _name(
        axes,
        drawable(name + range_text(curve.range)),
        [(column, drawable(curve.labels[column])) for column in named],
    )


def _bands(
    axes: "Axes",
    name: str,
    label: str,
    times: NDArray[np.float64],
    numbers: NDArray[np.float32],
    segments: Sequence[Segment],
    colour: str,
) -> None:
    from matplotlib.collections import PolyCollection  # noqa: PLC0415  an extra

    lines, corners = [], []
    for segment in segments:
        values = segment.readouts[name].values if name in segment.readouts else None
        if not values or label not in values:
            continue
        lines.append((values[label], segment.start, segment.end))
        first, last = np.searchsorted(times, [segment.start, segment.end])
        finite = numbers[first:last][np.isfinite(numbers[first:last])]
        if len(finite):
            low, high = np.percentile(finite, [10, 90]).tolist()
            start, end = segment.start, segment.end
            corners.append([(start, low), (end, low), (end, high), (start, high)])
    bands = PolyCollection(corners, facecolors=colour, alpha=0.13, linewidths=0, zorder=1.5, label=f"_{label}")
    axes.add_collection(bands, autolim=False)
    if lines:
        levels, starts, ends = zip(*lines, strict=True)
        axes.hlines(levels, starts, ends, colors=colour, alpha=0.5, linewidth=1, zorder=2.5)


def _scale(curve: FrameReadout) -> tuple[float, float, dict[float, str]]:
    """The ends of the axis, and its ticks with their texts: the range, and room for what lies outside."""
    if curve.scores is not None:
        return 0, 1.03, {0: "0 %", 0.25: "", 0.5: "50 %", 0.75: "", 1: "100 %"}
    finite = curve.numbers[np.isfinite(curve.numbers)]
    low, high = curve.range or ((float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0))
    if low == high:
        low, high = low - 0.5, high + 0.5
    ticks = {tick: f"{tick:.3g}" for tick in (low, (low + high) / 2, high)}
    lowest, highest = float(finite.min(initial=low)), float(finite.max(initial=high))
    edge = 0.03 * (highest - lowest)
    return lowest - edge, highest + edge, ticks


def _name(axes: "Axes", title: str, entries: Sequence[tuple[int, str]]) -> None:
    """The readout's name above its row, and as many of its labels with their lines as there is room for."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415  an extra
    from matplotlib.lines import Line2D  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    figure, box = axes.get_figure(root=True), axes.get_position()
    assert figure is not None  # noqa: S101  it was made in one
    width, height = box.width * figure.get_figwidth(), box.height * figure.get_figheight()
    bold, face, em = FontProperties(size=10, weight="bold"), FontProperties(size=_SIZE), _SIZE / 72
    above = 1 + NAME / 2 / height
    axes.text(0, above, title, transform=axes.transAxes, fontproperties=bold, va="center")
    left = fonts.inches(title, bold) + 0.3
    lines: list[Line2D] = []
    labels: list[str] = []
    right = left
    for index, label in entries:
        right += fonts.inches(label, face) + 4.4 * em  # a line, and the spaces around it
        if right > width - 0.3:
            lines, labels = [*lines, Line2D([], [], linewidth=0)], [*labels, "…"]
            break
        lines.append(Line2D([], [], color=palette.colour(index), linestyle=palette.dashes(index), linewidth=3))
        labels.append(f" {label}" if label.startswith("_") else label)  # matplotlib hides those
    if lines:
        axes.legend(
            lines, labels, loc="center left", bbox_to_anchor=(left / width, above), borderaxespad=0, borderpad=0,
            ncols=len(lines), frameon=False, fontsize=_SIZE, handlelength=2, handletextpad=0.6, columnspacing=1.8,
        )  # fmt: skip
