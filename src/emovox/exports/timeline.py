"""The timeline as a picture: waveform, the nine curves, those of readouts, and segments, over one time axis."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from emovox.emotions import BY_NAME, EMOTIONS
from emovox.exports import drawing, readout_row
from emovox.exports.decimation import curves, envelope
from emovox.exports.drawing import DPI, FAINT, GRID
from emovox.exports.paints import NINE, Paint, Paints, words
from emovox.exports.palette import on
from emovox.exports.verdict import relative_to, title, withheld
from emovox.inference.frames import FrameReadout
from emovox.inference.recognition import Recognition, Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 12.8  # inches, of 150 pixels each: a full HD screen across

_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 0.72, 0.38, 1.30, 0.52, 0.14  # inches
_LEGEND = 0.37  # of the top
_WAVEFORM, _CURVES, _LESSER, _SEGMENTS = 1.35, 3.35, 2.0, 0.62
_SILENCE = "#b4bdc7"
_HATCH = "#a9a9a9"
_LINES = ((0.41,), (0.55, 0.27), (0.68, 0.42, 0.16))  # heights of one, two or three lines on a segment
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000, 86400)
_MOST_TICKS = 13
_WORDS = {"en": "channel", "zh": "声道"}

_READOUT = "readout "


@dataclass(frozen=True)
class _Row:
    """A row of the picture: its label, its height, and what is free above it, both in inches."""

    label: str
    height: float
    above: float = 0.0


def write(
    recognition: Recognition, sound: Path, file: BinaryIO, *, kind: Literal["png", "svg"], language: str
) -> None:
    """Draw into a file.

    Raises:
        OutputsError: the sound is there, but can't be read.
    """
    drawing.save(lambda: draw(recognition, sound, language=language), file, kind)


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
    paints, name = Paints(recognition), recognition.recording.name or ""
    curve_of = {} if recognition.frames is None else recognition.frames.readouts
    labels = [label for item in curve_of.values() for label in item.labels]
    others = "".join([name, *curve_of, *labels, *(paint.name for paint in paints.items)])
    names = fonts.families(chinese if language == "zh" or fonts.missing(others, [fonts.LATIN]) else "")
    if fonts.missing(chinese, names):
        language = "en"
    rows = _plan(recognition, sound)
    # The names of classes or values stand above their own rows, if they have any.
    top = _TOP if recognition.emotion is not None or paints.readout not in {None, *curve_of} else _TOP - _LEGEND
    height = top + sum(row.above + row.height for row in rows) + _GAP * (len(rows) - 1) + _BOTTOM
    with mpl.rc_context({"font.family": [*names, "sans-serif"]}):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
        axes = _rows(figure, rows, top, recognition.recording.duration)
        columns = round((WIDTH - _LEFT - _RIGHT) * DPI)
        segments = recognition.segments or []
        used = {paints.place(segment) for segment in segments}
        legend = [paint for place, paint in enumerate(paints.items) if place in used and paint.name]
        if "waveform" in axes:
            _draw_waveform(axes["waveform"], sound, columns, segments, paints)
        if "curves" in axes:
            shown = _draw_curves(axes["curves"], recognition, columns, paints)
            legend = [paint for paint in NINE if paint in legend or paint.name in shown]
        for key, curve in curve_of.items():
            _draw_readout(axes[_READOUT + key], key, curve, recognition, columns // 4, paints, names)
        if "segments" in axes:
            _draw_segments(axes["segments"], segments, paints, language, names)
        model = f"{recognition.model.name} {recognition.model.revision}"
        name, model = (fonts.drawable(text, names) for text in (name, model))
        _head(figure, recognition, paints, name, model, language, names)
        if paints.readout not in curve_of:  # its own row has the names otherwise
            _legend(figure, legend, language, names)
    return figure


def _plan(recognition: Recognition, sound: Path) -> list[_Row]:
    """The rows of what there is."""
    rows = [_Row("waveform", _WAVEFORM)] if sound.exists() else []
    if recognition.frames is not None:
        if recognition.frames.scores is not None:
            rows.append(_Row("curves", _CURVES))
        for name in recognition.frames.readouts:
            main = not any(row.label != "waveform" for row in rows)
            rows.append(_Row(_READOUT + name, _CURVES if main else _LESSER, readout_row.NAME))
    if recognition.segments is not None:
        rows.append(_Row("segments", _SEGMENTS))
    return rows


def _rows(figure: "Figure", rows: list[_Row], top: float, duration: float) -> dict[str, "Axes"]:
    """An axes for each row, all over the same time, which is labelled below the last."""
    from matplotlib.ticker import FixedLocator, FuncFormatter  # noqa: PLC0415

    height = figure.get_figheight()
    step = next((step for step in _STEPS if duration / step < _MOST_TICKS), _STEPS[-1])
    ticks = [step * number for number in range(int(duration / step + 1e-9) + 1)]
    axes: dict[str, Axes] = {}
    top = height - top
    for row in rows:
        bottom = top - row.above - row.height
        bounds = (_LEFT / WIDTH, bottom / height, 1 - (_LEFT + _RIGHT) / WIDTH, row.height / height)
        each = axes[row.label] = figure.add_axes(bounds, label=row.label)
        each.set_xlim(0, duration or 1)
        each.xaxis.set_major_locator(FixedLocator(ticks))
        each.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, step, duration)))
        each.tick_params(length=0, labelbottom=row == rows[-1], pad=5)
        each.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
        each.set_axisbelow(True)
        each.spines[:].set_visible(False)
        each.set_yticks([])
        top = bottom - _GAP
    return axes


def clock(seconds: float, step: float, duration: float) -> str:
    """A time as the label of a tick: m:ss, or h:mm:ss in recordings of an hour; tenths if ticks are that close."""
    tenths = round(seconds * 10) if step < 1 else 10 * int(seconds + 0.5)
    minutes, rest = divmod(tenths, 600)
    second = f"{rest // 10:02}.{rest % 10}" if step < 1 else f"{rest // 10:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{second}" if duration >= 3600 else f"{minutes}:{second}"


def _draw_waveform(axes: "Axes", sound: Path, columns: int, segments: list[Segment], paints: Paints) -> None:
    """The waveform's envelope, in the colours of its segments."""
    shape = envelope(sound, columns)
    loudest = max(
        np.abs([shape.lowest, shape.highest]).max(initial=0), 0.01
    )  # so that quiet recordings look quiet
    axes.set_ylim(-1.06 * loudest, 1.06 * loudest)
    places = paints.at(shape.times, segments)
    hair = 0.004 * loudest  # silence is a line, not a gap
    for place, paint in ((-1, Paint("silence", _SILENCE)), *enumerate(paints.items)):
        where = places == place
        if where.any():
            axes.fill_between(
                shape.times,
                np.minimum(shape.lowest, -hair),
                np.maximum(shape.highest, hair),
                where=list(_joined(where)),
                facecolor=paint.colour,
                edgecolor=_HATCH,
                hatch=paint.hatch,
                linewidth=0,
                label=paint.name,
            )


def _joined(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each run one column longer, so that it meets the next."""
    longer = where.copy()
    longer[1:] |= where[:-1]
    return longer


def _draw_curves(axes: "Axes", recognition: Recognition, columns: int, paints: Paints) -> set[str]:
    """The nine curves, and the highest one's colour below it; both pale where nobody speaks.

    Returns the emotions that rise above `readout_row.SHOWN`.
    """
    assert recognition.frames is not None  # noqa: S101  has its row
    assert recognition.frames.scores is not None  # noqa: S101  likewise
    # Nine lines that change in every pixel would be unreadable: each point is the mean over four.
    times, scores = curves(recognition.frames, recognition.frames.scores, columns // 4)
    width = 1.9 if recognition.recording.duration < 600 else 1.3
    axes.set_ylim(0, 1.03)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "", "50 %", "", "100 %"])
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    highest = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
    speech = _speech(times, recognition, paints)
    highest[~speech] = -1
    spoken = recognition.frames.scores[_speech(recognition.frames.times, recognition, paints)]
    emotions = set()
    for column, paint in enumerate(NINE):
        curve = scores[:, column]
        where = highest == column
        if where.any():
            axes.fill_between(
                times, 0, curve, where=list(_joined(where)), color=paint.colour, alpha=0.14, linewidth=0
            )
        shown = float(spoken[:, column].max(initial=0)) > readout_row.SHOWN
        line = {
            "color": paint.colour,
            "linestyle": paint.dashes,
            "linewidth": width if shown else 0.8,
            "zorder": 3 if shown else 2,
        }
        label = paint.name
        axes.plot(times, curve, alpha=0.22, label=f"_{label}", **line)
        level = np.where(speech, curve, np.roll(curve, 1))  # to the end of the speech, and not on to the silence
        axes.plot(times, np.where(_joined(speech), level, np.nan), alpha=1 if shown else 0.45, label=label, **line)
        emotions |= {label} if shown else set()
    return emotions


def _speech(times: NDArray[np.float64], recognition: Recognition, paints: Paints) -> NDArray[np.bool_]:
    """Whether somebody speaks at each time: silence is not an emotion, whatever the model makes of it."""
    if recognition.segments is None:
        return np.ones(len(times), dtype=np.bool_)
    return paints.at(times, recognition.segments) >= 0


def _draw_readout(
    axes: "Axes",
    name: str,
    curve: FrameReadout,
    recognition: Recognition,
    columns: int,
    paints: Paints,
    names: list[str],
) -> None:
    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    assert recognition.frames is not None  # noqa: S101  has its row
    readout_row.draw(
        axes,
        name,
        curve,
        recognition.frames,
        columns=columns,
        spoken=lambda times: _joined(_speech(times, recognition, paints)),
        drawable=lambda text: fonts.drawable(text, names),
        grid=GRID,
        segments=recognition.segments or (),
    )


def _draw_segments(axes: "Axes", segments: list[Segment], paints: Paints, language: str, names: list[str]) -> None:
    """Blocks in the colours of what leads, with their words if they fit."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    axes.set_ylim(0, 1)
    axes.axhspan(0, 1, color="#f4f6f8", linewidth=0, zorder=0)
    second = (WIDTH - _LEFT - _RIGHT) / (axes.get_xlim()[1])  # inches
    face = FontProperties(size=8.5, weight="bold")
    for place, paint in enumerate(paints.items):
        items = [segment for segment in segments if paints.place(segment) == place]
        if not items:
            continue
        blocks = [(item.start, max(item.end - item.start, 1 / (DPI * second))) for item in items]
        wide = [width * second > 0.06 for _, width in blocks]
        axes.broken_barh(
            blocks,
            (0, 1),
            facecolors=paint.colour,
            edgecolors=["white" if each else "none" for each in wide],
            linewidth=[1.0 if each else 0.0 for each in wide],
            label=paint.name,
        )
        outline = []
        if paint.hatch:  # below the words, which keep clear of it
            hatched = axes.broken_barh(blocks, (0, 1), facecolors="none", edgecolors=_HATCH, linewidth=0)
            hatched.set_hatch(paint.hatch)
            outline = [withStroke(linewidth=3, foreground=paint.colour)]
        for item in items:
            width = (item.end - item.start) * second
            lines = [fonts.drawable(line, names) for line in words(item, language)] if width > 0.3 else []
            widest = lines if paint.name == "" else [*lines[:1], "100 %"]  # alike for all of a class
            if lines and width > max(fonts.inches(line, face) for line in widest) + 0.08:
                for height, line in zip(_LINES[len(lines) - 1], lines, strict=True):
                    axes.text(
                        (item.start + item.end) / 2,
                        height,
                        line,
                        fontproperties=face,
                        color=on(paint.colour),
                        ha="center",
                        va="baseline",  # aligned with its neighbours, whatever letters it has
                        path_effects=outline,
                    )


def _head(
    figure: "Figure",
    recognition: Recognition,
    paints: Paints,
    name: str,
    model: str,
    language: str,
    names: list[str],
) -> None:
    """The file's name; below it the verdict, duration, channel and model."""
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    height, left, after = figure.get_figheight(), _LEFT / WIDTH, 0.0
    face = FontProperties(size=15, weight="bold")
    room = WIDTH - _LEFT - _RIGHT
    figure.text(left, 1 - 0.30 / height, _shortened(name, face, room), fontproperties=face, va="center")
    recording, (text, classes) = recognition.recording, title(recognition, language)
    bold = FontProperties(size=11.5, weight="bold")
    line = 1 - 0.66 / height
    for paint in (paint for name in classes for paint in paints.items if paint.name == name):
        figure.text(left + after / WIDTH, line, "\N{BLACK CIRCLE}", color=paint.colour, size=13, va="center")
        after += 0.2
    if text:
        text = _shortened(fonts.drawable(text, names), bold, 0.6 * room)
        figure.text(left + after / WIDTH, line, text, fontproperties=bold, va="center")
        after = after + fonts.inches(text, bold) + 0.2
    facts = [clock(recording.duration, 0.1 if recording.duration < 60 else 1, recording.duration)]
    if reason := withheld(recognition, language):
        facts.append(fonts.drawable(reason, names))
    if recording.channel is not None:
        facts.append(f"{_WORDS[language]} {recording.channel}")
    facts.append(model)
    if relative := relative_to(recognition, language):
        facts.append(fonts.drawable(relative, names))
    figure.text(left + after / WIDTH, line, "   ·   ".join(facts), color=FAINT, size=10, va="center")


def _shortened(text: str, face: Any, room: float) -> str:
    """A text cut in its middle to so many inches."""
    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    short, half = text, len(text) // 2
    while fonts.inches(short, face) > room:
        half = min(half - 1, 200)  # more never fit
        short = f"{text[:half]}…{text[-half:]}"
    return short


def _legend(figure: "Figure", paints: list[Paint], language: str, names: list[str]) -> None:
    """A swatch and a name for each emotion or class of the picture, in one line below the head."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    from emovox.exports import fonts  # noqa: PLC0415  loads matplotlib

    if paints:
        lines = [Line2D([], [], color=each.colour, linewidth=3, linestyle=each.dashes) for each in paints]
        figure.legend(
            lines,
            [
                BY_NAME[each.name].label(language) if each in NINE else fonts.drawable(each.name, names)
                for each in paints
            ],
            loc="center left",
            bbox_to_anchor=(_LEFT / WIDTH, 1 - 1.03 / figure.get_figheight()),
            borderaxespad=0,
            borderpad=0,
            ncols=len(paints),
            frameon=False,
            fontsize=9.5,
            handlelength=2,
            handletextpad=0.6,
            columnspacing=1.8,
        )
