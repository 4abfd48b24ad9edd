"""The plane of arousal and valence as a picture: a recording's way through it, or many recordings in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import BY_NAME, NAMES
from emovox.errors import ExportError
from emovox.exports import drawing
from emovox.exports.decimation import curves
from emovox.exports.drawing import DPI, FAINT, GRID, INK
from emovox.exports.paints import PLAIN
from emovox.inference.frames import FrameReadout
from emovox.inference.recognition import ReadoutResult, Recognition, Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["png", "svg"]
Range = tuple[float, float]

AROUSAL, VALENCE = "arousal", "valence"
_SIDE, _POINTS = 6.4, 600  # inches; points of a way
_RAMP = "cividis"  # of time: even for readers of every kind of colour vision
_WORDS = {
    "en": {
        "valence": "valence: negative to positive", "arousal": "arousal: calm to excited", "time": "time",
        "mean": "mean of all", "all": "all of it", "clips": "{} recordings", "corners": (
            "excited,\nnegative", "excited,\npositive", "calm,\nnegative", "calm,\npositive"),
    },
    "zh": {
        "valence": "效价：消极到积极", "arousal": "唤醒度：平静到激动", "time": "时间",
        "mean": "总平均", "all": "整条录音", "clips": "{} 条录音", "corners": (
            "激动、消极", "激动、积极", "平静、消极", "平静、积极"),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Plane:
    """Where a readout has the two: found by their names, whatever their places.

    Attributes:
        readout: its name.
        valence: what it calls valence, in its own spelling.
        arousal: likewise.
        range: of both; None: not known.
    """

    readout: str
    valence: str
    arousal: str
    range: Range | None


@dataclass(frozen=True)
class Point:
    """A recording in the plane, and what leads in it, if that is known."""

    valence: float
    arousal: float
    emotion: str | None = None


def find_plane(readouts: Mapping[str, ReadoutResult | FrameReadout]) -> Plane | None:
    """The first readout that has values of both; None: none has."""
    for name, item in readouts.items():
        if item.values is None:
            continue
        labels = item.labels if isinstance(item, FrameReadout) else list(item.values)
        by_word = {label.casefold(): label for label in labels}
        if {AROUSAL, VALENCE} <= by_word.keys():
            return Plane(name, by_word[VALENCE], by_word[AROUSAL], item.range)
    return None


def check(labels: Iterable[str]) -> None:
    """Refuse values that aren't, or don't have among them, the two.

    Raises:
        ExportError: one of the two is missing.
    """
    if not {AROUSAL, VALENCE} <= {label.casefold() for label in labels}:
        raise ExportError(
            "plane needs values called arousal and valence, which this model doesn't give: recognise with one "
            "that does, or with a head that was trained on them"
        )


def is_drawable(recognition: Recognition) -> bool:
    """Whether it has a plane, or says nothing at all, as of silence: then the plane is empty."""
    every: list[Recognition | Segment] = [recognition, *(recognition.segments or [])]
    return _of(recognition) is not None or all(item.emotion is None and not item.readouts for item in every)


def write(recognition: Recognition, file: BinaryIO, *, kind: Kind, language: str) -> None:
    """Draw a recording's way through the plane.

    The curve where somebody speaks, coloured by time; a dot for each segment, as large as it is long; a cross for
    all of it. Dominance isn't drawn: a third number would have to be a size, and size is length already.

    Raises:
        ExportError: the result has other things, but not the two.
    """
    if not is_drawable(recognition):
        check(())
    drawing.save(lambda: draw(recognition, language=language), file, kind)


def write_points(
    points: Sequence[Point], file: BinaryIO, *, kind: Kind, language: str, range_: Range | None
) -> None:
    """Draw many recordings in the plane, in the colours of their emotions where known, and their mean."""
    drawing.save(lambda: draw_points(points, language=language, range_=range_), file, kind)


def draw(recognition: Recognition, *, language: str) -> "Figure":
    """The picture of `write`."""
    import matplotlib as mpl  # noqa: PLC0415  an extra

    with mpl.rc_context():  # the fonts are this picture's
        return _draw_way(recognition, language)


def _draw_way(recognition: Recognition, language: str) -> "Figure":
    from matplotlib.collections import LineCollection  # noqa: PLC0415
    from matplotlib.colors import Normalize  # noqa: PLC0415

    plane, duration = _of(recognition), recognition.recording.duration or 1.0
    way, times = _way(recognition, plane)
    stops = _stops(recognition, plane)
    every = np.concatenate([way, np.array([stop[:2] for stop in stops]).reshape(-1, 2)])
    name = recognition.recording.name or ""
    model = f"{recognition.model.name} {recognition.model.revision}"
    figure, axes, words = _figure(name, model, language, None if plane is None else plane.range, every)
    colours = Normalize(0, duration)
    if len(way) > 1:
        pieces = np.stack([way[:-1], way[1:]], axis=1)
        lines = LineCollection(list(pieces), cmap=_RAMP, norm=colours, linewidths=1.8, alpha=0.75, zorder=3)
        lines.set_array((times[:-1] + times[1:]) / 2)
        axes.add_collection(lines)
    if stops:
        x, y, middle, length = np.array(stops).T
        sizes = np.clip(60 * length, 30, 500)
        axes.scatter(x, y, s=sizes, c=middle, cmap=_RAMP, norm=colours, edgecolors="white", zorder=4)
    whole = recognition.readouts.get(plane.readout) if plane is not None else None
    if plane is not None and whole is not None and whole.values is not None:
        _cross(axes, whole.values[plane.valence], whole.values[plane.arousal], words["all"])
    _bar(figure, axes, colours, duration, words["time"])
    return figure


def draw_points(points: Sequence[Point], *, language: str, range_: Range | None) -> "Figure":
    """The picture of `write_points`."""
    import matplotlib as mpl  # noqa: PLC0415  an extra

    with mpl.rc_context():  # likewise
        return _draw_points(points, language, range_)


def _draw_points(points: Sequence[Point], language: str, range_: Range | None) -> "Figure":
    every = np.array([(point.valence, point.arousal) for point in points]).reshape(-1, 2)
    figure, axes, words = _figure("", "", language, range_, every)
    alpha = float(np.clip(12 / max(1, len(points)) ** 0.5, 0.15, 0.8))
    emotions = [point.emotion for point in points]
    for emotion in (None, *NAMES):
        own = np.array([each == emotion for each in emotions], dtype=np.bool_)
        if own.any():
            colour = PLAIN if emotion is None else BY_NAME[emotion].colour
            named = None if emotion is None else BY_NAME[emotion].label(words["language"])
            axes.scatter(
                every[own, 0], every[own, 1], s=18, color=colour, alpha=alpha, linewidths=0, label=named, zorder=3
            )
    if len(points):
        valence, arousal = every.mean(axis=0).tolist()
        _cross(axes, valence, arousal, words["mean"])
    axes.set_title(words["clips"].format(len(points)), loc="left", fontsize=12, fontweight="bold", color=INK)
    if any(emotions):
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=9)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
    return figure


def _of(recognition: Recognition) -> Plane | None:
    every: list[Recognition | Segment] = [recognition, *(recognition.segments or [])]
    for item in every:
        if (plane := find_plane(item.readouts)) is not None:
            return plane
    return None if recognition.frames is None else find_plane(recognition.frames.readouts)


def _way(recognition: Recognition, plane: Plane | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points (n, 2) of valence and arousal, and their times; NaN where nobody speaks."""
    frames = recognition.frames
    if plane is None or frames is None or plane.readout not in frames.readouts:
        return np.zeros((0, 2)), np.zeros(0)
    curve = frames.readouts[plane.readout]
    columns = [curve.labels.index(plane.valence), curve.labels.index(plane.arousal)]
    times, numbers = curves(frames, curve.numbers[:, columns], _POINTS)
    if recognition.segments is not None:
        spoken = np.zeros(len(times), np.bool_)
        for segment in recognition.segments:
            spoken |= (times >= segment.start) & (times <= segment.end)
        numbers[~spoken] = np.nan
    return numbers, times


def _stops(recognition: Recognition, plane: Plane | None) -> list[tuple[float, float, float, float]]:
    """Valence, arousal, middle and length of each segment."""
    stops = []
    for segment in recognition.segments or []:
        values = None if plane is None else getattr(segment.readouts.get(plane.readout), "values", None)
        if plane is not None and values:
            middle, length = (segment.start + segment.end) / 2, segment.end - segment.start
            stops.append((values[plane.valence], values[plane.arousal], middle, length))
    return stops


def _figure(
    name: str, model: str, language: str, range_: Range | None, points: NDArray[np.float64]
) -> tuple["Figure", "Axes", dict[str, Any]]:
    """An empty plane: its axes, the lines through its middle, and words in its corners."""
    import matplotlib as mpl  # noqa: PLC0415  an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    chinese = "".join(str(word) for word in _WORDS["zh"].values()) + "".join(
        each.chinese for each in BY_NAME.values()
    )
    names = fonts.families(chinese if language == "zh" or fonts.missing(name, [fonts.LATIN]) else "")
    if language == "zh" and fonts.missing(chinese.replace("\n", ""), names):
        language = "en"
    words: dict[str, Any] = {**_WORDS[language], "language": language}
    mpl.rcParams["font.family"] = [*names, "sans-serif"]
    figure = Figure(figsize=(_SIDE + 1.2, _SIDE), dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    finite = points[np.isfinite(points).all(axis=1)] if len(points) else np.zeros((0, 2))
    low, high = range_ or (float(finite.min(initial=0)), float(finite.max(initial=1)))
    ends = [min(low, float(finite.min(initial=low))), max(high, float(finite.max(initial=high)))]
    margin, middle = 0.03 * (ends[1] - ends[0]), (low + high) / 2
    axes.set(xlim=(ends[0] - margin, ends[1] + margin), ylim=(ends[0] - margin, ends[1] + margin))
    axes.set(xticks=[low, middle, high], yticks=[low, middle, high])
    axes.set_xlabel(words["valence"])
    axes.set_ylabel(words["arousal"])
    axes.spines[:].set_color(GRID)
    axes.axhline(middle, color="#c9d0d6", linewidth=1, zorder=1)
    axes.axvline(middle, color="#c9d0d6", linewidth=1, zorder=1)
    for number, corner in enumerate(words["corners"]):
        x, y = (0.98, 0.02)[number % 2 == 0], (0.02, 0.98)[number < 2]
        axes.text(
            x, y, corner, transform=axes.transAxes, color=FAINT, fontsize=8.5,
            ha=("right", "left")[number % 2 == 0], va=("bottom", "top")[number < 2], zorder=2,
        )  # fmt: skip
    if name or model:
        shown = fonts.drawable(name if len(name) < 48 else f"{name[:30]}…{name[-16:]}", names)
        axes.set_title(f"{shown}\n", loc="left", fontsize=12, fontweight="bold", color=INK)
        axes.set_title(fonts.drawable(model, names), loc="right", fontsize=9, color=FAINT)
    return figure, axes, words


def _cross(axes: "Axes", valence: float, arousal: float, label: str) -> None:
    from matplotlib.patheffects import withStroke  # noqa: PLC0415  an extra

    axes.scatter(
        [valence], [arousal], s=150, marker="+", color=INK, linewidths=2.2, zorder=5,
        path_effects=[withStroke(linewidth=4.5, foreground="white")],
    )  # fmt: skip
    axes.annotate(
        label, (valence, arousal), xytext=(9, -4), textcoords="offset points", fontsize=9, color=INK, zorder=5,
        va="top", path_effects=[withStroke(linewidth=3, foreground="white")],
    )  # fmt: skip


def _bar(figure: "Figure", axes: "Axes", colours: Any, duration: float, label: str) -> None:
    """The colours of time."""
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415  an extra
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    from emovox.exports.timeline import clock  # noqa: PLC0415  the same clock

    step = 0.1 if duration < 10 else 1
    bar = figure.colorbar(ScalarMappable(norm=colours, cmap=_RAMP), ax=axes, shrink=0.6, aspect=28, pad=0.02)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step, duration)))
    bar.outline.set_visible(False)
    bar.set_label(label, color=FAINT)
