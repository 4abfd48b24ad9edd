"""The timeline as a picture: waveform, the nine curves and segments, over one time axis."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import BY_NAME, EMOTIONS, NAMES
from emovox.exports.decimation import curves, envelope
from emovox.inference.recognition import Recognition, Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 12.8, 150  # inches, and pixels in each: a full HD screen across
SHOWN = 0.05  # a curve that stays below this is drawn, but not named

_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 0.72, 0.38, 1.30, 0.52, 0.14  # inches
_HEIGHTS = {"waveform": 1.35, "curves": 3.35, "segments": 0.62}
_INK, _FAINT, _GRID, _SILENCE = "#1f2933", "#6b7785", "#e4e8ec", "#b4bdc7"
_STYLE: dict[str, Any] = {
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _FAINT,
    "axes.unicode_minus": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "font.size": 9.0,
    "text.parse_math": False,  # a file's name may hold dollars
    "svg.fonttype": "none",  # text that can be searched, and set in the reader's own fonts
    "svg.hashsalt": "emovox",  # the same picture is the same file
}
# Not everybody can tell greys and brown apart by colour.
_DASHES: dict[str, Any] = {"neutral": (0, (3, 1)), "other": (0, (1.7, 0.9)), "unknown": (0, (0.9, 0.9))}
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)
_MOST_TICKS = 13
_WORDS = {"en": "channel", "zh": "声道"}

_one_at_a_time = Lock()  # matplotlib's settings belong to the process


def write(
    recognition: Recognition, sound: Path, file: BinaryIO, *, kind: Literal["png", "svg"], language: str
) -> None:
    """Draw into a file.

    Raises:
        OutputsError: the sound is there, but can't be read.
    """
    from matplotlib import style  # noqa: PLC0415  an extra, and slow to load

    with _one_at_a_time, style.context(["default", _STYLE]):
        figure = draw(recognition, sound, language=language)
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)


def draw(recognition: Recognition, sound: Path, *, language: str) -> "Figure":
    """The picture of those of waveform, curves and segments that there are.

    Emotions are named in English if no font on this machine has the Chinese.

    Raises:
        OutputsError: the sound is there, but can't be read.
    """
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    chinese = "".join(emotion.chinese for emotion in EMOTIONS) + _WORDS["zh"]
    name = recognition.recording.name or ""
    names = fonts.families(chinese if language == "zh" or fonts.missing(name, [fonts.LATIN]) else "")
    if fonts.missing(chinese, names):
        language = "en"
    present = {
        "waveform": sound.exists(),
        "curves": recognition.frames is not None,
        "segments": recognition.segments is not None,
    }
    rows = [row for row in _HEIGHTS if present[row]]
    height = _TOP + sum(_HEIGHTS[row] for row in rows) + _GAP * (len(rows) - 1) + _BOTTOM
    with mpl.rc_context({"font.family": [*names, "sans-serif"]}):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
        axes = _rows(figure, rows, recognition.recording.duration)
        columns = round((WIDTH - _LEFT - _RIGHT) * DPI)
        emotions = {segment.emotion for segment in recognition.segments or []}
        if "waveform" in axes:
            _draw_waveform(axes["waveform"], sound, columns, recognition.segments or [])
        if "curves" in axes:
            emotions |= _draw_curves(axes["curves"], recognition, columns)
        if "segments" in axes:
            _draw_segments(axes["segments"], recognition.segments or [], language)
        model = f"{recognition.model.name} {recognition.model.revision}"
        name, model = (fonts.drawable(text, names) for text in (name, model))
        _head(figure, recognition, name, model, language)
        _legend(figure, emotions, language)
    return figure


def _rows(figure: "Figure", rows: list[str], duration: float) -> dict[str, "Axes"]:
    """An axes for each row, all over the same time, which is labelled below the last."""
    from matplotlib.ticker import FixedLocator, FuncFormatter  # noqa: PLC0415

    height = figure.get_figheight()
    step = next((step for step in _STEPS if duration / step < _MOST_TICKS), _STEPS[-1])
    ticks = [step * number for number in range(int(duration / step + 1e-9) + 1)]
    axes: dict[str, Axes] = {}
    top = height - _TOP
    for row in rows:
        bottom = top - _HEIGHTS[row]
        bounds = (_LEFT / WIDTH, bottom / height, 1 - (_LEFT + _RIGHT) / WIDTH, _HEIGHTS[row] / height)
        each = axes[row] = figure.add_axes(bounds, label=row)
        each.set_xlim(0, duration or 1)
        each.xaxis.set_major_locator(FixedLocator(ticks))
        each.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step, duration)))
        each.tick_params(length=0, labelbottom=row == rows[-1], pad=5)
        each.grid(visible=True, axis="x", color=_GRID, linewidth=0.8)
        each.set_axisbelow(True)
        each.spines[:].set_visible(False)
        each.set_yticks([])
        top = bottom - _GAP
    return axes


def clock(seconds: float, step: float, duration: float) -> str:
    """A time as the label of a tick: m:ss, or h:mm:ss in recordings of an hour; tenths if ticks are that close."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    second = f"{rest // 10:02}.{rest % 10}" if step < 1 else f"{rest // 10:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{second}" if duration >= 3600 else f"{minutes}:{second}"


def _draw_waveform(axes: "Axes", sound: Path, columns: int, segments: list[Segment]) -> None:
    """The waveform's envelope, in the colours of its segments."""
    shape = envelope(sound, columns)
    loudest = max(
        np.abs([shape.lowest, shape.highest]).max(initial=0), 0.01
    )  # so that quiet recordings look quiet
    axes.set_ylim(-1.06 * loudest, 1.06 * loudest)
    emotions = _emotion_at(shape.times, segments)
    hair = 0.004 * loudest  # silence is a line, not a gap
    for emotion, colour in ((-1, _SILENCE), *enumerate(each.colour for each in EMOTIONS)):
        where = emotions == emotion
        if where.any():
            axes.fill_between(
                shape.times,
                np.minimum(shape.lowest, -hair),
                np.maximum(shape.highest, hair),
                where=list(_joined(where)),
                color=colour,
                linewidth=0,
                label="silence" if emotion < 0 else NAMES[emotion],
            )


def _emotion_at(times: NDArray[np.float64], segments: list[Segment]) -> NDArray[np.int64]:
    """The index of the emotion at each time, (n,); -1: in no segment."""
    emotions = np.full(len(times), -1, dtype=np.int64)
    for segment in segments:
        first, last = np.searchsorted(times, [segment.start, segment.end])
        emotions[first:last] = NAMES.index(segment.emotion)
    return emotions


def _joined(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each run one column longer, so that it meets the next."""
    longer = where.copy()
    longer[1:] |= where[:-1]
    return longer


def _draw_curves(axes: "Axes", recognition: Recognition, columns: int) -> set[str]:
    """The nine curves, and the highest one's colour below it; both pale where nobody speaks.

    Returns the emotions that rise above `SHOWN`.
    """
    assert recognition.frames is not None  # noqa: S101  has its row
    # Nine lines that change in every pixel would be unreadable: each point is the mean over four.
    times, scores = curves(recognition.frames, columns // 4)
    width = 1.9 if recognition.recording.duration < 600 else 1.3
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "", "50 %", "", "100 %"])
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.8)
    highest = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
    speech = np.ones(len(times), dtype=np.bool_)
    if recognition.segments is not None:  # silence is no emotion, whatever the model makes of it
        speech = _emotion_at(times, recognition.segments) >= 0
        highest[~speech] = -1
    emotions = set()
    for column, label in enumerate(recognition.frames.labels):
        emotion, curve = BY_NAME[label], scores[:, column]
        where = highest == column
        if where.any():
            axes.fill_between(
                times, 0, curve, where=list(_joined(where)), color=emotion.colour, alpha=0.14, linewidth=0
            )
        shown = bool(len(curve)) and float(recognition.frames.scores[:, column].max()) > SHOWN
        line = {
            "color": emotion.colour,
            "linestyle": _DASHES.get(label, "-"),
            "linewidth": width if shown else 0.8,
            "zorder": 3 if shown else 2,
        }
        axes.plot(times, curve, alpha=0.22, label=f"_{label}", **line)
        axes.plot(times, np.where(_joined(speech), curve, np.nan), alpha=1 if shown else 0.45, label=label, **line)
        emotions |= {label} if shown else set()
    return emotions


def _draw_segments(axes: "Axes", segments: list[Segment], language: str) -> None:
    """Blocks in the emotions' colours, with name and confidence if they fit."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415

    axes.set_ylim(0, 1)
    axes.axhspan(0, 1, color="#f4f6f8", linewidth=0, zorder=0)
    second = (WIDTH - _LEFT - _RIGHT) / (axes.get_xlim()[1])  # inches
    face = FontProperties(size=8.5, weight="bold")
    for emotion in EMOTIONS:
        own = [segment for segment in segments if segment.emotion == emotion.name]
        if not own:
            continue
        blocks = [(item.start, max(item.end - item.start, 1 / (DPI * second))) for item in own]
        wide = [width * second > 0.06 for _, width in blocks]
        axes.broken_barh(
            blocks,
            (0, 1),
            facecolors=emotion.colour,
            edgecolors=["white" if each else "none" for each in wide],
            linewidth=[1.0 if each else 0.0 for each in wide],
            label=emotion.name,
        )
        text = emotion.label(language)
        minimum = max(_inches(text, face), _inches("100 %", face)) + 0.08
        for item in own:
            if (item.end - item.start) * second > minimum:
                for height, line in ((0.55, text), (0.27, f"{100 * item.confidence:.0f} %")):
                    axes.text(
                        (item.start + item.end) / 2,
                        height,
                        line,
                        fontproperties=face,
                        color=_on(emotion.colour),
                        ha="center",
                        va="baseline",  # aligned with its neighbours, whatever letters it has
                    )


def _head(figure: "Figure", recognition: Recognition, name: str, model: str, language: str) -> None:
    """The file's name; below it the verdict, duration, channel and model."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415

    height, left = figure.get_figheight(), _LEFT / WIDTH
    face = FontProperties(size=15, weight="bold")
    room = WIDTH - _LEFT - _RIGHT
    title, half = name, len(name) // 2
    while _inches(title, face) > room:
        half = min(half - 1, 200)  # more never fit
        title = f"{name[:half]}…{name[-half:]}"
    figure.text(left, 1 - 0.30 / height, title, fontproperties=face, va="center")
    emotion, recording = BY_NAME[recognition.emotion], recognition.recording
    verdict = FontProperties(size=11.5, weight="bold")
    text = f"{emotion.label(language)} {100 * recognition.confidence:.0f} %"
    line = 1 - 0.66 / height
    figure.text(left, line, "\N{BLACK CIRCLE}", color=emotion.colour, size=13, va="center")
    figure.text(left + 0.2 / WIDTH, line, text, fontproperties=verdict, va="center")
    facts = [clock(recording.duration, 0.1 if recording.duration < 60 else 1, recording.duration)]
    if recording.channel is not None:
        facts.append(f"{_WORDS[language]} {recording.channel}")
    facts.append(model)
    after = left + (0.2 + _inches(text, verdict) + 0.2) / WIDTH
    figure.text(after, line, "   ·   ".join(facts), color=_FAINT, size=10, va="center")


def _legend(figure: "Figure", names: set[str], language: str) -> None:
    """A swatch and a name for each emotion of the picture, in one line below the head."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    shown = [emotion for emotion in EMOTIONS if emotion.name in names]
    if shown:
        lines = [
            Line2D([], [], color=each.colour, linewidth=3, linestyle=_DASHES.get(each.name, "-")) for each in shown
        ]
        figure.legend(
            lines,
            [each.label(language) for each in shown],
            loc="center left",
            bbox_to_anchor=(_LEFT / WIDTH, 1 - 1.03 / figure.get_figheight()),
            borderaxespad=0,
            borderpad=0,
            ncols=len(shown),
            frameon=False,
            fontsize=9.5,
            handlelength=2,
            handletextpad=0.6,
            columnspacing=1.8,
        )


def _inches(text: str, face: Any) -> float:
    """The width of a line of text."""
    from matplotlib.textpath import text_to_path  # noqa: PLC0415

    width, _, _ = text_to_path.get_text_width_height_descent(text, face, ismath=False)
    return width / 72


def _on(colour: str) -> str:
    """Black or white, whichever is more readable on a colour."""
    return max("#0b0f14", "#ffffff", key=lambda text: contrast(text, colour))


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours `#rrggbb`, 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[first : first + 2], 16) / 255 for first in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
